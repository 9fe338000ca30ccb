package e2e

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"
)

// A body that does not arrive is not waited for longer than the endpoint's own
// limit, whatever the server's timeouts are, and the connection ends.
func TestASlowBodyIsCutOff(t *testing.T) {
	t.Parallel()
	c := startShop(t, "")
	connection, err := tls.Dial("tcp", c.url("localhost:5001"), c.tlsConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	const head = "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\ngrant_type="
	if _, err := io.WriteString(connection, head); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadRequest || !response.Close {
		t.Errorf("status %d, connection closed: %v", response.StatusCode, response.Close)
	}
	if _, err := io.Copy(io.Discard, connection); err != nil {
		t.Errorf("the connection stays: %v", err)
	}
	if reason := c.entries("token refused")[0]["reason"]; reason != "unreadable_body" {
		t.Errorf("reason %v", reason)
	}
}
