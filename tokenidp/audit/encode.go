package audit

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
)

// Version is the version of the schema of a line. It changes when a field is removed or
// changes its meaning. A new field does not change it.
const Version = 1

// LoggerName is the logger of every line.
const LoggerName = "tokenidp.audit"

const (
	start    = `{"version":1,"logger":"` + LoggerName + `","time":"`
	timeForm = `2006-01-02T15:04:05.000000Z"` // RFC 3339, in microseconds
	pass     = `,"event":"` + string(Allowed) + `","at":"verify"`
	tokenID  = `,"jti":`
	end      = "}\n"
	framing  = len(start + timeForm + end)
)

// clockText writes the time of lines that follow each other. It formats each second once.
type clockText struct {
	second int64
	text   []byte
}

// append appends a time in microseconds since 1970.
func (c *clockText) append(line []byte, at int64) []byte {
	if second := at / 1e6; c.text == nil || second != c.second {
		c.second = second
		c.text = time.Unix(second, 0).UTC().AppendFormat(c.text[:0], timeForm)
	}
	line = append(line, c.text...)
	for i, left := len(line)-len(`0Z"`), at%1e6; left > 0; i, left = i-1, left/10 {
		line[i] = byte('0' + left%10)
	}
	return line
}

// callerText writes who has sent a request, and to which host. Lines that follow each other
// often have the same caller, whose members are then copied from the line before.
type callerText struct {
	last Request
	text []byte
}

func (c *callerText) append(line []byte, r *Request) []byte {
	if c.text != nil && r.ClientIP == c.last.ClientIP && r.Method == c.last.Method && r.Host == c.last.Host {
		return append(line, c.text...)
	}
	before := len(line)
	line = r.appendCaller(line)
	c.last, c.text = *r, line[before:]
	return line
}

// Members returns the members that the event has beside Time, Kind and Request.
func (e *Event) Members() Members { return Members(e.appendRest(nil)) }

// append appends the members of the event beside the time.
func (e *Event) append(line []byte) []byte {
	line = appendText(line, `,"event":`, string(e.Kind))
	line = appendText(line, `,"at":`, e.At)
	line = e.Request.append(line)
	return e.appendRest(line)
}

func (r *Request) append(line []byte) []byte {
	return r.appendPath(r.appendCaller(r.appendIDs(line)))
}

func (r *Request) appendIDs(line []byte) []byte {
	line = appendText(line, `,"request_id":`, r.RequestID)
	return appendText(line, `,"trace_id":`, r.TraceID)
}

func (r *Request) appendCaller(line []byte) []byte {
	if sender, err := netip.ParseAddr(r.ClientIP); err == nil {
		line = append(line, `,"client_ip":"`...)
		line = sender.Unmap().WithZone("").AppendTo(line)
		line = append(line, '"')
	}
	line = appendText(line, `,"method":`, refusallog.Loggable(r.Method))
	return appendText(line, `,"host":`, refusallog.Loggable(r.Host))
}

func (r *Request) appendPath(line []byte) []byte {
	return appendText(line, `,"path":`, refusallog.Loggable(r.Path))
}

func (e *Event) appendRest(line []byte) []byte {
	line = appendText(line, `,"route":`, e.Route)
	line = appendText(line, `,"source":`, e.Source)
	line = appendText(line, `,"issuer":`, e.Issuer)
	line = appendText(line, `,"client_id":`, e.ClientID)
	line = appendText(line, `,"auth_method":`, e.AuthMethod)
	line = appendText(line, `,"secret_id":`, e.SecretID)
	line = appendText(line, `,"kid":`, e.KeyID)
	line = appendText(line, `,"audience":`, e.Audience)
	line = appendTexts(line, `,"scope":`, e.Scope)
	line = appendText(line, tokenID, e.TokenID)
	if !e.Expires.IsZero() {
		line = append(line, `,"expires":"`...)
		line = e.Expires.UTC().AppendFormat(line, time.RFC3339)
		line = append(line, '"')
	}
	if e.ReportOnly {
		line = append(line, `,"report_only":true`...)
	}
	if e.Status != 0 {
		line = append(line, `,"status":`...)
		line = strconv.AppendInt(line, int64(e.Status), 10)
	}
	line = appendText(line, `,"reason":`, e.Reason)
	line = appendText(line, `,"cause":`, e.Cause)
	line = appendText(line, `,"who":`, e.Who)
	line = appendText(line, `,"detail":`, e.Detail)
	if e.Lines != 0 {
		line = append(line, `,"lines":`...)
		line = strconv.AppendInt(line, int64(e.Lines), 10)
	}
	return line
}

// appendText appends a member, if it has a value.
func appendText(line []byte, name, value string) []byte {
	if value == "" {
		return line
	}
	return appendString(append(line, name...), value)
}

func appendTexts(line []byte, name string, values []string) []byte {
	if len(values) == 0 {
		return line
	}
	line = append(line, name...)
	for i, value := range values {
		separator := byte(',')
		if i == 0 {
			separator = '['
		}
		line = appendString(append(line, separator), value)
	}
	return append(line, ']')
}

// appendString appends a JSON string. Control characters of every kind are escaped, since
// people read these lines in terminals.
func appendString(line []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf-1 || c == '"' || c == '\\' {
			return appendEscaped(line, s)
		}
	}
	line = append(line, '"')
	line = append(line, s...)
	return append(line, '"')
}

func appendEscaped(line []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		return append(line, `""`...) // not for a string
	}
	return append(line, ascii.Escape(string(quoted))...)
}
