package e2e

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"
)

// conversation is one HTTP/1.1 connection on which a test decides what is sent
// when.
type conversation struct {
	*tls.Conn
	in *bufio.Reader
}

func (c *caddy) dial(t *testing.T) *conversation {
	t.Helper()
	config := c.tlsConfig()
	config.NextProtos = []string{"http/1.1"}
	connection, err := tls.Dial("tcp", c.url("localhost:5001"), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &conversation{connection, bufio.NewReader(connection)}
}

func (c *conversation) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// head reads the next answer, informational or final, up to its body.
func (c *conversation) head(t *testing.T) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// answer reads a whole answer.
func (c *conversation) answer(t *testing.T) *answer {
	t.Helper()
	return whole(t, c.head(t))
}
