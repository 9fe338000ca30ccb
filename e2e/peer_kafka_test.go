//go:build peers

package e2e

import (
	"bytes"
	big "encoding/binary"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// librdkafka, with the properties of the page, gets a token and presents it to a broker.
func TestPeerKafka(t *testing.T) {
	t.Parallel()
	c := start(t, read(t, "../examples/clients/Caddyfile"), options{files: map[string]string{
		"applications.yaml":           read(t, "../examples/clients/applications.yaml"),
		"made/orders-keyed.jwks.json": `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"1"}]}`,
	}})
	address, initial := startBroker(t)
	root := t.TempDir()
	for _, b := range blocks(read(t, "../docs/clients/kafka.md")) {
		if name := b.file(); name != "" {
			write(t, filepath.Join(root, name), c.url(b.text))
		}
	}
	write(t, filepath.Join(root, "ca.crt"), read(t, rootOf(c.home)))
	write(t, filepath.Join(root, "stand-in.properties"), "security.protocol=SASL_PLAINTEXT\nbootstrap.servers="+address+"\n")
	bin := filepath.Join(t.TempDir(), "kafka-go")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "testdata/peers/kafka-go", "-o", bin, ".")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	cmd := exec.CommandContext(t.Context(), bin, "kafka.properties", "stand-in.properties")
	cmd.Dir, cmd.Env = root, environment(root, c.admin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said string
	select {
	case said = <-initial:
	case <-time.After(patience):
	}
	_ = stdin.Close()
	_ = cmd.Wait()
	// RFC 7628 section 3.1
	_, token, _ := strings.Cut(said, "auth=Bearer ")
	token, _, _ = strings.Cut(token, "\x01")
	if a := c.do("GET", "https://localhost:5001/orders", "", bearer(token)); a.StatusCode != 200 || a.body != "Hello orders-worker\n" {
		t.Errorf("the client says %q to the broker\n%s", said, stderr.String())
	}
}

// startBroker listens as a Kafka broker that does no more than SASL. It returns its address,
// and what a client says to authenticate.
func startBroker(t *testing.T) (address string, initial <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	said := make(chan string, 1)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			serveBroker(connection, said)
		}
	}()
	return listener.Addr().String(), said
}

func serveBroker(connection net.Conn, said chan<- string) {
	defer connection.Close()
	for {
		request, err := kafkaFrame(connection)
		if err != nil || len(request) < 8 {
			return
		}
		switch key, version := big.BigEndian.Uint16(request), big.BigEndian.Uint16(request[2:]); key {
		case apiVersions:
			code := byte(0)
			if version > 0 {
				code = unsupportedVersion // and the client asks again
			}
			answerKafka(connection, request, 0, code, 0, 0, 0, 2, 0, saslHandshake, 0, 0, 0, 0, 0, apiVersions, 0, 0, 0, 0)
		case saslHandshake:
			mechanism := "OAUTHBEARER"
			answerKafka(connection, request, append([]byte{0, 0, 0, 0, 0, 1, 0, byte(len(mechanism))}, mechanism...)...)
			if message, err := kafkaFrame(connection); err == nil {
				select {
				case said <- string(message):
				default:
				}
			}
			return
		}
	}
}

// The numbers of Kafka's protocol.
const saslHandshake, apiVersions, unsupportedVersion = 17, 18, 35

// answerKafka sends an answer with the correlation id of the request.
func answerKafka(w io.Writer, request []byte, body ...byte) {
	frame := append(big.BigEndian.AppendUint32(nil, uint32(4+len(body))), request[4:8]...)
	_, _ = w.Write(append(frame, body...))
}

// kafkaFrame reads what stands after its length.
func kafkaFrame(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, min(big.BigEndian.Uint32(length[:]), 1<<20))
	_, err := io.ReadFull(r, frame)
	return frame, err
}
