package application

import "iter"

// PlacedSecret is a secret of a loaded Application, and where it stands.
type PlacedSecret struct {
	*Secret
	Application *Application
	// File is the path under which the file was read.
	File string
	// Line is where the secret's first field stands, from 1.
	Line int
}

// Secrets are those of all Applications, sorted by ClientID, and by their order
// within an Application.
func (s *Set) Secrets() iter.Seq[PlacedSecret] {
	return func(yield func(PlacedSecret) bool) {
		for _, a := range s.sorted() {
			for _, secret := range a.Secrets {
				if !yield(PlacedSecret{secret, a, a.at.file, secret.line}) {
					return
				}
			}
		}
	}
}
