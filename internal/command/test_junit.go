package command

import (
	"encoding/xml"
	"strings"

	"github.com/tokenidp/caddy-tokenidp/internal/testrun"
)

// junit is a report in the format that CI systems read.
type junit struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

// junitSuite has the tests of one file.
type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Failure *junitFailure `xml:"failure"`
}

type junitFailure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func writeJUnit(file string, r *testrun.Report) error {
	all := junit{Tests: r.Passed + r.Failed, Failures: r.Failed}
	for _, one := range r.Results {
		name := one.Source[:max(0, strings.LastIndexByte(one.Source, ':'))] // the source is file:line
		if len(all.Suites) == 0 || all.Suites[len(all.Suites)-1].Name != name {
			all.Suites = append(all.Suites, junitSuite{Name: name})
		}
		all.Suites[len(all.Suites)-1].add(one)
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(file, append([]byte(xml.Header), append(text, '\n')...))
}

func (s *junitSuite) add(r testrun.Result) {
	c := junitCase{Name: r.Expect + " " + r.Request, Class: r.Caller}
	s.Tests++
	if !r.Passed {
		s.Failures++
		c.Failure = &junitFailure{Type: r.Reason, Message: r.Outcome(), Text: r.Source + "\n" + r.Advice}
	}
	s.Cases = append(s.Cases, c)
}
