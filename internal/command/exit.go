package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// The exit codes of every command.
const (
	exitYes      = caddy.ExitCodeSuccess       // the answer is yes, or the work is done
	exitNo       = caddy.ExitCodeFailedStartup // the answer is no
	exitNoAnswer = caddy.ExitCodeForceQuit     // there is no answer
	exitTryLater = caddy.ExitCodeFailedQuit    // a token endpoint asks to try again later
)

// exitCodes describes the exit codes of one command, for its help.
type exitCodes struct {
	yes, no  string // no is "" where the answer is never no
	tryLater string // "" for all but one
}

func (c exitCodes) String() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, row := range []struct {
		code int
		says string
	}{
		{exitYes, c.yes},
		{exitNo, c.no},
		{exitNoAnswer, "no answer: wrong usage, an unknown name, or no server that can answer"},
		{exitTryLater, c.tryLater},
	} {
		if row.says != "" {
			fmt.Fprintf(&b, "  %d  %s\n", row.code, row.says)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// answer is an error that answers the question, with its own exit code.
type answer struct {
	code int
	error
}

// answerNo is the error of a command whose answer is no.
func answerNo(format string, args ...any) error {
	return answer{exitNo, fmt.Errorf(format, args...)}
}

// exitCode returns the code of a command that ends with the error. An error that is not an
// answer means that there is no answer.
func exitCode(err error) int {
	var a answer
	switch {
	case err == nil:
		return exitYes
	case errors.As(err, &a):
		return a.code
	}
	return exitNoAnswer
}

// exit returns the error and the exit code to Caddy. Caddy prints the error, which may come
// from the network, in one line.
func exit(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) {
		return exitCode(err), errors.New(ascii.Escape(withBinary(strings.ReplaceAll(err.Error(), "\n", "; "))))
	})(cmd, nil)
}
