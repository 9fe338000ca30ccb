package main

import (
	"context"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// readCompose refuses unknown fields, and names that are nowhere declared.
func readCompose(file string) (*types.Project, error) {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithName("tokenidp"), cli.WithResolvedPaths(true))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}
