package check

import (
	"fmt"
	"os"
	"runtime"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

var fileRules = []*Rule{
	{
		ID: "hashes-readable", Severity: Note,
		Title:      "Other users can read the hashes of chosen secrets",
		Reason:     "Whoever reads the hash of a secret that somebody chose can guess it at leisure. This does not apply to generated secrets.",
		Correction: "Make the file readable for its owner and group alone (`chmod 640`), or use generated secrets.",
		find:       hashesReadable,
	},
}

func hashesReadable(c *configuration, report reporter) {
	if runtime.GOOS == "windows" {
		return
	}
	for _, d := range c.documents {
		info, err := os.Stat(d.File())
		if chosen := chosenSecrets(d); err == nil && info.Mode().Perm()&0o004 != 0 && chosen > 0 {
			report(Finding{Subject: nameOf(d.File()), Place: Place{File: d.File()}, Message: fmt.Sprintf("it has %d hashes of chosen secrets, and everybody can read it (mode %04o)", chosen, info.Mode().Perm())})
		}
	}
}

func chosenSecrets(d *application.Document) (count int) {
	for _, a := range d.Applications() {
		for _, s := range a.Secrets {
			if s.Chosen() {
				count++
			}
		}
	}
	return count
}
