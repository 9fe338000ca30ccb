package audit

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/ascii"
)

// Version is the version of the schema of a line. It changes when a field is removed or
// changes its meaning. A new field does not change it.
const Version = 1

// LoggerName is the logger of every line.
const LoggerName = "tokenidp.audit"

const start = `{"version":1,"logger":"` + LoggerName + `","time":"`

// append appends the event as a line of JSON. A general encoder takes three times as long,
// and this is on the path of every verified request.
func (e *Event) append(line []byte) []byte {
	line = append(line, start...)
	line = e.Time.UTC().Truncate(time.Microsecond).AppendFormat(line, time.RFC3339Nano)
	line = append(line, '"')
	line = appendText(line, `,"event":`, string(e.Kind))
	line = e.appendMembers(line)
	line = append(line, e.Members...)
	return append(line, "}\n"...)
}

// Encode returns the members that the event has beside Time, Kind and Members, for the
// lines of all events that have them, too.
func (e *Event) Encode() string { return string(e.appendMembers(nil)) }

func (e *Event) appendMembers(line []byte) []byte {
	line = appendText(line, `,"at":`, e.At)
	line = appendText(line, `,"request_id":`, e.RequestID)
	line = appendText(line, `,"trace_id":`, e.TraceID)
	if e.ClientIP.IsValid() {
		line = append(line, `,"client_ip":"`...)
		line = e.ClientIP.Unmap().WithZone("").AppendTo(line)
		line = append(line, '"')
	}
	line = appendText(line, `,"method":`, e.Method)
	line = appendText(line, `,"host":`, e.Host)
	line = appendText(line, `,"path":`, e.Path)
	line = appendText(line, `,"route":`, e.Route)
	line = appendText(line, `,"source":`, e.Source)
	line = appendText(line, `,"issuer":`, e.Issuer)
	line = appendText(line, `,"client_id":`, e.ClientID)
	line = appendText(line, `,"auth_method":`, e.AuthMethod)
	line = appendText(line, `,"secret_id":`, e.SecretID)
	line = appendText(line, `,"jti":`, e.TokenID)
	line = appendText(line, `,"kid":`, e.KeyID)
	line = appendText(line, `,"audience":`, e.Audience)
	line = appendTexts(line, `,"scope":`, e.Scope)
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
