// Deployment reads what people deploy with as the programs do that it is for: a Dockerfile
// as BuildKit, a Compose file as Docker Compose, and manifests as the API server of
// Kubernetes, which all refuse what they do not know. It prints what it has read, as JSON.
//
//	deployment dockerfile <file>
//	deployment compose <file>
//	deployment manifests <file>...
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: deployment dockerfile|compose|manifests <file>...")
	}
	var read any
	var err error
	switch kind, files := args[0], args[1:]; kind {
	case "dockerfile":
		read, err = readDockerfile(files[0])
	case "compose":
		read, err = readCompose(files[0])
	case "manifests":
		read, err = readManifests(files)
	default:
		err = fmt.Errorf("%s is no kind of file", kind)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(read)
}
