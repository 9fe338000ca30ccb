// Package accessmap has the access map of the status page: who reaches what on the App
// that serves. It asks internal/reach, as the command `caddy tokenidp access` does, so both
// say the same. A map is computed in the background and kept until something changes.
package accessmap
