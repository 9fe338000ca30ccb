package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// stage is one of a Dockerfile.
type stage struct {
	Name, Base string
	Steps      []step
}

// step is an instruction, such as RUN.
type step struct {
	Name string
	Args []string
	// Shell: Args is a command line for a shell.
	Shell bool
	// From and Owner are those of COPY.
	From, Owner string
}

// readDockerfile refuses what BuildKit refuses, and what it warns of.
func readDockerfile(file string) ([]stage, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var warnings []string
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, _ []parser.Range) {
		warnings = append(warnings, rule+": "+message)
	}})
	read, _, err := instructions.Parse(parsed.AST, lint)
	if err != nil {
		return nil, err
	}
	for _, w := range parsed.Warnings {
		warnings = append(warnings, w.Short)
	}
	if len(warnings) > 0 {
		return nil, fmt.Errorf("%s: %q", file, warnings)
	}
	var stages []stage
	for _, s := range read {
		one := stage{Name: s.Name, Base: s.BaseName}
		for _, command := range s.Commands {
			one.Steps = append(one.Steps, newStep(command))
		}
		stages = append(stages, one)
	}
	return stages, nil
}

func newStep(command instructions.Command) step {
	s := step{Name: command.Name()}
	switch c := command.(type) {
	case *instructions.RunCommand:
		s.Args, s.Shell = c.CmdLine, c.PrependShell
	case *instructions.CopyCommand:
		s.Args, s.From, s.Owner = append(c.SourcePaths, c.DestPath), c.From, c.Chown
	case *instructions.WorkdirCommand:
		s.Args = []string{c.Path}
	case *instructions.UserCommand:
		s.Args = []string{c.User}
	case *instructions.EnvCommand:
		for _, variable := range c.Env {
			s.Args = append(s.Args, variable.String())
		}
	case *instructions.ExposeCommand:
		s.Args = c.Ports
	case *instructions.EntrypointCommand:
		s.Args, s.Shell = c.CmdLine, c.PrependShell
	case *instructions.CmdCommand:
		s.Args, s.Shell = c.CmdLine, c.PrependShell
	case *instructions.HealthCheckCommand:
		s.Args = c.Health.Test
	}
	return s
}
