package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
)

var when = time.Date(2026, 11, 29, 12, 0, 0, 1000, time.UTC)

func clock() time.Time { return when }

func request() Request {
	return Request{
		RequestID: "0b1e", TraceID: strings.Repeat("4b", 16), ClientIP: "::ffff:192.0.2.1",
		Method: "GET", Host: "api.example.com", Path: "/orders/1",
	}
}

// lineOf returns the line of an event.
func lineOf(e *Event) string {
	var q queue
	q.addEvent(e.Time, e)
	return string(q.append(nil))
}

// everything returns an event with all members.
func everything() Event {
	return Event{
		Kind: Allowed, At: "verify", Request: request(), Issuer: "https://issuer.example", ClientID: "orders-worker",
		AuthMethod: "client_secret_basic", SecretID: "2026-11", TokenID: "jti", KeyID: "2026-11-29.482910", Audience: "orders-api",
		Scope: []string{"orders.read", "orders.write"}, Expires: when, Route: "api.example.com/orders*", Source: "Caddyfile:12", ReportOnly: true,
		Status: 403, Reason: "insufficient_scope", Cause: "it lacks \"x\"", Who: "admin", Detail: "2 Applications added", Lines: 7,
	}
}

// output receives the lines. It fails while err is set, after room bytes.
type output struct {
	mu     sync.Mutex
	text   bytes.Buffer
	err    error
	room   int
	writes int
	closed bool
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writes++
	if o.err != nil {
		n := min(o.room, len(p))
		o.room -= n
		o.text.Write(p[:n])
		return n, o.err
	}
	return o.text.Write(p)
}

func (o *output) Close() error {
	o.closed = true
	return nil
}

// written returns the written text, and the number of calls.
func (o *output) written() (text string, writes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.writes
}

func (o *output) fail(err error, room int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err, o.room = err, room
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func decode(t testing.TB, line string) map[string]any {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(line), &members); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return members
}

func TestLine(t *testing.T) {
	e := everything()
	e.Time = when
	const want = `{"version":1,"logger":"tokenidp.audit","time":"2026-11-29T12:00:00.000001Z","event":"allowed","at":"verify",` +
		`"request_id":"0b1e","trace_id":"4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b","client_ip":"192.0.2.1","method":"GET","host":"api.example.com",` +
		`"path":"/orders/1","route":"api.example.com/orders*","source":"Caddyfile:12","issuer":"https://issuer.example","client_id":"orders-worker",` +
		`"auth_method":"client_secret_basic","secret_id":"2026-11","kid":"2026-11-29.482910","audience":"orders-api",` +
		`"scope":["orders.read","orders.write"],"jti":"jti","expires":"2026-11-29T12:00:00Z","report_only":true,"status":403,"reason":"insufficient_scope",` +
		`"cause":"it lacks \"x\"","who":"admin","detail":"2 Applications added","lines":7}` + "\n"
	if got := lineOf(&e); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// The schema has every member that a line can have, and no other.
func TestSchemaHasEveryMember(t *testing.T) {
	e := everything()
	line := decode(t, lineOf(&e))
	if err := schema(t).Validate(line); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	known := decode(t, string(text))["properties"].(map[string]any)
	for name := range known {
		if line[name] == nil {
			t.Errorf("no line has %s", name)
		}
	}
	document, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, member := range known {
		row := fmt.Sprintf("\n| `%s` | %s |\n", name, member.(map[string]any)["description"])
		if !strings.Contains(string(document), row) {
			t.Errorf("docs/audit.md does not have%s", row)
		}
	}
	for _, kind := range append(Kinds, Lost) {
		e.Kind = kind
		if err := schema(t).Validate(decode(t, lineOf(&e))); err != nil {
			t.Error(err)
		}
	}
}

// passOf returns an allowed event as a Pass.
func passOf(e *Event) *Pass {
	return &Pass{
		Time: e.Time, Request: e.Request, TokenID: e.TokenID,
		Route: (&Event{Route: e.Route, Source: e.Source}).Members(),
		Token: (&Event{Issuer: e.Issuer, ClientID: e.ClientID, KeyID: e.KeyID, Audience: e.Audience, Scope: e.Scope}).Members(),
	}
}

// For any input of a caller, a line is one line of JSON with the same text, and has nothing
// that a terminal interprets.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b[31m", "\u202e", "\"\\\n", "\xff\xc0", "\u2028", "é", "😀", "\U000e0001", "\x7f", "192.0.2.1", "::1%eth0", "tidp_secret-secret"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := Event{
			Time: when, Kind: Allowed, At: "verify", Request: Request{RequestID: s, TraceID: s, ClientIP: s, Method: s, Host: s, Path: s},
			Route: s, Source: s, ClientID: s, Scope: []string{s, "x"}, TokenID: s,
		}
		line := lineOf(&e)
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
			t.Errorf("not a line: %q", line)
		}
		for _, r := range strings.TrimSuffix(line, "\n") {
			if !unicode.IsPrint(r) && r != utf8.RuneError {
				t.Errorf("%U is in %q", r, line)
			}
		}
		var passed queue
		passed.addPass(passOf(&e))
		if got := string(passed.append(nil)); got != line {
			t.Errorf("as a Pass it is %s, and else %s", got, line)
		}
		members := decode(t, line)
		want := refusallog.Loggable(s)
		if got, _ := members["path"].(string); utf8.ValidString(want) && got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// Lines have the order of their events, of whichever kind.
func TestOrderOfLines(t *testing.T) {
	var o output
	l := Open(&o, Options{Now: clock})
	const lines = 10
	for i := range lines {
		id := strconv.Itoa(i)
		if i%3 == 0 {
			l.Write(&Event{Kind: Allowed, TokenID: id})
		} else {
			l.WritePass(&Pass{Time: when.Add(time.Duration(i) * 300 * time.Millisecond), TokenID: id})
		}
		if i == lines/2 {
			l.Flush()
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	i := 0
	for line := range strings.Lines(o.text.String()) {
		at := when
		if i%3 != 0 {
			at = when.Add(time.Duration(i) * 300 * time.Millisecond)
		}
		if members := decode(t, line); members["jti"] != strconv.Itoa(i) || members["time"] != at.Format("2006-01-02T15:04:05.000000Z") {
			t.Errorf("line %d is %s", i, line)
		}
		i++
	}
	if i != lines {
		t.Errorf("%d lines, want %d", i, lines)
	}
}

// A line has its own caller, also after one with another.
func TestLinesOfSeveralCallers(t *testing.T) {
	var q queue
	want := ""
	for _, r := range []Request{
		{}, {ClientIP: "192.0.2.1", Method: "GET", Host: "a.example", Path: "/a"}, {ClientIP: "192.0.2.1", Method: "GET", Host: "a.example", Path: "/b"},
		{ClientIP: "192.0.2.10", Method: "GET", Host: "a.example"}, {ClientIP: "192.0.2.10", Method: "GETa", Host: ".example"},
		{Method: "POST", Host: "a.example"}, {Method: "POST"}, {ClientIP: "POST"}, {Host: "POST"}, {}, {Path: "/a"},
	} {
		e := Event{Time: when, Kind: Allowed, At: "verify", Request: r}
		q.addPass(passOf(&e))
		q.addEvent(e.Time, &e)
		q.addPass(passOf(&e))
		want += strings.Repeat(lineOf(&e), 3)
	}
	if got := string(q.append(nil)); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// A clock that is wrong makes no line that is not JSON.
func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-29T12:00:00.999999999Z": "2026-11-29T12:00:00.999999Z",
		"1970-01-01T00:00:00Z":           "1970-01-01T00:00:00.000000Z",
		"0001-01-01T00:00:00.5Z":         "0001-01-01T00:00:01.000000Z",
		"9999-12-31T23:59:59.1Z":         "9999-12-31T23:59:59.100000Z",
	} {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(t, lineOf(&Event{Time: at, Kind: Issued}))["time"]; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Lines wait at most 200 ms, or until there are enough of them.
func TestWritesManyLinesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o output
		l := Open(&o, Options{Now: clock})
		for range 3 {
			l.Write(&Event{Kind: Allowed})
		}
		synctest.Wait()
		if _, writes := o.written(); writes != 0 {
			t.Error("it did not wait")
		}
		time.Sleep(interval)
		synctest.Wait()
		if text, writes := o.written(); writes != 1 || strings.Count(text, "\n") != 3 {
			t.Errorf("%d writes, want one of 3 lines:\n%s", writes, text)
		}
		for range enough / 50 {
			l.Write(&Event{Kind: Allowed})
		}
		synctest.Wait()
		if _, writes := o.written(); writes != 2 {
			t.Errorf("%d writes, want 2", writes)
		}
		l.Write(&Event{Kind: Issued})
		if err := l.Close(); err != nil || !o.closed || !strings.Contains(o.text.String(), `"issued"`) {
			t.Errorf("%v, closed %v, without the last line", err, o.closed)
		}
	})
}

func TestSeparateLines(t *testing.T) {
	var o output
	l := Open(&o, Options{Separate: true, Now: clock})
	for range 3 {
		l.Write(&Event{Kind: Allowed})
	}
	l.Flush()
	if err := l.Close(); err != nil || o.writes != 3 {
		t.Errorf("%d writes of 3 lines (%v)", o.writes, err)
	}
}

// Lines that cannot be written are counted, and reported later. Only whole lines remain.
func TestCountsLostLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o output
		l := Open(&o, Options{Now: clock})
		defer l.Close()
		write := func(lines int) {
			for range lines {
				l.Write(&Event{Kind: Allowed})
			}
			l.Flush()
		}
		write(1)
		line := o.text.Len()
		o.fail(errors.New("no space left on device"), line+line/2)
		write(4)
		if h := l.Health(); h.Lost != 3 || h.Problem != "no space left on device" {
			t.Errorf("%+v, want 3 lost", h)
		}
		write(2)
		if h := l.Health(); h.Lost != 5 {
			t.Errorf("%+v, want 5 lost", h)
		}
		o.fail(nil, 0)
		write(1)
		if h := l.Health(); h.Lost != 5 || h.Problem != "" {
			t.Errorf("%+v, want 5 lost and no problem", h)
		}
		l.Flush()
		whole, said, torn := 0, 0., 0
		for text := range strings.Lines(o.text.String()) {
			var members map[string]any
			if json.Unmarshal([]byte(text), &members) != nil {
				torn++
				continue
			}
			whole++
			if lines, ok := members["lines"].(float64); ok {
				said += lines
			}
		}
		if whole != 4 || torn != 1 || said != 5 {
			t.Errorf("%d whole lines, %d torn, %v said to be lost; want 4, 1, 5:\n%s", whole, torn, said, &o.text)
		}
	})
}

// If the output hangs, lines are lost, but requests do not wait.
func TestNobodyWaitsForTheOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := make(hanging)
		l := Open(hangs, Options{Now: clock})
		e := everything()
		line := len(lineOf(&e))
		const more = 1000
		for range 2*mostWaiting/line + more { // the output has some of them
			l.Write(&e)
		}
		if h := l.Health(); h.Lost < more {
			t.Errorf("%+v: the memory has no bound", h)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		close(hangs)
	})
}

type hanging chan struct{}

func (h hanging) Write(p []byte) (int, error) {
	<-h
	return len(p), nil
}

func (h hanging) Close() error { return nil }

// neverConnected is a network output of Caddy with soft_start before its first connection.
type neverConnected struct{ net.Conn }

func (neverConnected) Write([]byte) (int, error) { return 0, nil }

// An output that takes nothing, and does not say so, costs lines and nothing else.
func TestAnOutputThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Open(neverConnected{}, Options{Separate: true, Now: clock})
		l.Write(&Event{Kind: Allowed})
		l.Flush()
		if h := l.Health(); h.Lost != 1 || h.Problem != "short write" {
			t.Errorf("%+v, want one line lost", h)
		}
		if err := l.Close(); err == nil {
			t.Error("its Close does not panic any more")
		}
		l.Write(&Event{Kind: Allowed})
		if h := l.Health(); h.Lost != 2 {
			t.Errorf("%+v: a line after Close is not counted", h)
		}
	})
}

func TestOff(t *testing.T) {
	var l *Log
	l.Write(&Event{})
	l.WritePass(&Pass{})
	l.Flush()
	if h := l.Health(); h != (Health{}) {
		t.Errorf("%+v", h)
	}
}

func TestConcurrentWrites(t *testing.T) {
	var o output
	l := Open(&o, Options{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 250 {
				e := everything()
				l.Write(&e)
				l.WritePass(&Pass{Time: when, Request: request(), Token: `,"client_id":"x"`, TokenID: "jti"})
			}
		})
	}
	all.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	lines := 0
	for text := range strings.Lines(o.text.String()) {
		decode(t, text)
		lines++
	}
	if lines != 4000 {
		t.Errorf("%d lines, want 4000", lines)
	}
}

// Lines allocate nothing, once the memory of the queue is there.
func TestWriteAllocatesNothing(t *testing.T) {
	l := &Log{now: clock, full: make(chan struct{}, 1)}
	l.waiting = queue{lines: make([]queued, 0, 4000), texts: make([]byte, 0, mostWaiting)}
	e := everything()
	e.Cause = "" // a quotation mark allocates
	p := passOf(&e)
	for what, write := range map[string]func(){"an event": func() { l.Write(&e) }, "a pass": func() { l.WritePass(p) }} {
		if allocations := testing.AllocsPerRun(1000, write); allocations != 0 {
			t.Errorf("%s: %v allocations", what, allocations)
		}
	}
}

func BenchmarkWritePass(b *testing.B) {
	l := &Log{output: discarding{}, full: make(chan struct{}, 1)}
	e := everything()
	p := passOf(&e)
	b.ReportAllocs()
	for b.Loop() {
		if l.WritePass(p); l.waiting.size >= enough {
			l.Flush()
		}
	}
}

type discarding struct{}

func (discarding) Write(p []byte) (int, error) { return len(p), nil }
func (discarding) Close() error                { return nil }
