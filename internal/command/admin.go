package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// asksAdmin adds the flags of a command that asks a running Caddy.
func asksAdmin(cmd *cobra.Command) {
	cmd.PersistentFlags().String("address", "", "Address of the admin endpoint (default: of --config, or Caddy's)")
	cmd.PersistentFlags().StringP("config", "c", "", "Configuration file to take the admin address from")
	cmd.PersistentFlags().StringP("adapter", "a", "", "Name of the config adapter")
	cmd.PersistentFlags().Bool("json", false, "Print JSON")
}

// askAdmin asks the admin endpoint of a running Caddy.
func askAdmin(fl caddycmd.Flags, method, uri string, answer any) ([]byte, error) {
	return tellAdmin(fl, method, uri, nil, answer)
}

// showAdmin asks, and prints the answer, or with --json the answer as it is.
func showAdmin[T any](fl caddycmd.Flags, uri string, show func(T) error) (answer T, err error) {
	raw, err := askAdmin(fl, http.MethodGet, uri, &answer)
	if err != nil {
		return answer, err
	}
	if fl.Bool("json") {
		return answer, printRaw(raw)
	}
	return answer, show(answer)
}

// exit is the exit code of a command, and its error.
func exit(err error) (int, error) {
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	return caddy.ExitCodeSuccess, nil
}

// tellAdmin is askAdmin with a body, which is in no log.
func tellAdmin(fl caddycmd.Flags, method, uri string, body, answer any) ([]byte, error) {
	config := fl.String("config")
	address, err := caddycmd.DetermineAdminAPIAddress(fl.String("address"), nil, config, fl.String("adapter"))
	if err != nil {
		return nil, fmt.Errorf("finding the admin endpoint: %w", err)
	}
	var header http.Header
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		header, content = http.Header{"Content-Type": {"application/json"}}, bytes.NewReader(encoded)
	}
	response, err := caddycmd.AdminAPIRequest(address, method, uri, header, content)
	if err != nil {
		return nil, fmt.Errorf("asking the admin endpoint at %s: %w; is Caddy running, and is --address right?", address, err)
	}
	defer func() { _ = response.Body.Close() }()
	const longest = 16 << 20
	raw, err := io.ReadAll(io.LimitReader(response.Body, longest+1))
	if err == nil && len(raw) > longest {
		err = fmt.Errorf("the answer of the admin endpoint is longer than %d bytes; ask for less", longest)
	}
	if err != nil {
		return nil, err
	}
	return raw, json.Unmarshal(raw, answer) //nolint:forbidigo // Caddy's own answer
}

func printRaw(raw []byte) error {
	_, err := os.Stdout.Write(raw)
	return err
}

func printJSON(v any) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
