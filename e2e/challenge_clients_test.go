package e2e

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// RFC 6749 section 5.2, RFC 9110 section 11.6.1: clients that send what they know only
// when they are challenged get a token, and so do those that name a charset.
func TestClientsThatWaitForAChallenge(t *testing.T) {
	t.Parallel()
	c := startShop(t, "")
	token, root := c.url("https://localhost:5001/token"), rootOf(c.home)
	form := "grant_type=client_credentials&scope=orders.read"
	user := "orders-worker:" + shopSecret
	for name, command := range map[string][]string{
		"curl --anyauth":          {"curl", "-sS", "--cacert", root, "--anyauth", "-u", user, "-d", form, token},
		"curl --anyauth, HTTP/1":  {"curl", "-sS", "--http1.1", "--cacert", root, "--anyauth", "-u", user, "-d", form, token},
		"curl --anyauth, in JSON": {"curl", "-sS", "--cacert", root, "--anyauth", "-u", user, "-H", "Content-Type: application/json", "-d", `{"grantType":"client_credentials","scope":"orders.read"}`, token},
		"wget --user":             {"wget", "-q", "-O-", "--ca-certificate=" + root, "--user=orders-worker", "--password=" + shopSecret, "--post-data=" + form, token},
		"a charset of a form":     {"curl", "-sS", "--cacert", root, "-u", user, "-H", "Content-Type: application/x-www-form-urlencoded; charset=us-ascii", "-d", form, token},
	} {
		t.Run(name, func(t *testing.T) {
			output, err := exec.Command(command[0], command[1:]...).Output()
			var answer struct {
				AccessToken string `json:"access_token"`
				Data        struct {
					AccessToken string `json:"accessToken"`
				} `json:"data"`
			}
			if err != nil || json.Unmarshal(output, &answer) != nil || strings.Count(answer.AccessToken+answer.Data.AccessToken, ".") != 2 {
				t.Errorf("%v: %s", err, output)
			}
		})
	}
	a := c.do("POST", "https://localhost:5001/token", form, "Content-Type: application/x-www-form-urlencoded")
	if a.StatusCode != 401 || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic ") || !strings.Contains(a.body, `"invalid_client"`) {
		t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
	}
}
