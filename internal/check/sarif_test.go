package check

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// strictLog is the part of SARIF 2.1.0 that this project writes: with the members that the
// schema requires, and no others.
type strictLog struct {
	Schema  string `json:"$schema"`
	Version string `json:"version"`
	Runs    []struct {
		Tool struct {
			Driver struct {
				Name           string       `json:"name"`
				InformationURI string       `json:"informationUri"`
				Rules          []strictRule `json:"rules"`
			} `json:"driver"`
		} `json:"tool"`
		Results []strictResult `json:"results"`
	} `json:"runs"`
}

type strictRule struct {
	ID                   string            `json:"id"`
	ShortDescription     strictMessage     `json:"shortDescription"`
	FullDescription      strictMessage     `json:"fullDescription"`
	Help                 strictMessage     `json:"help"`
	HelpURI              string            `json:"helpUri"`
	DefaultConfiguration map[string]string `json:"defaultConfiguration"`
	Properties           struct {
		Tags []string `json:"tags"`
	} `json:"properties"`
}

type strictMessage struct {
	Text string `json:"text"`
}

type strictResult struct {
	RuleID    string        `json:"ruleId"`
	RuleIndex int           `json:"ruleIndex"`
	Level     string        `json:"level"`
	Message   strictMessage `json:"message"`
	Locations []struct {
		PhysicalLocation *struct {
			ArtifactLocation struct {
				URI       string `json:"uri"`
				URIBaseID string `json:"uriBaseId"`
			} `json:"artifactLocation"`
			Region struct {
				StartLine int `json:"startLine"`
			} `json:"region"`
		} `json:"physicalLocation"`
		LogicalLocations []struct {
			FullyQualifiedName string `json:"fullyQualifiedName"`
		} `json:"logicalLocations"`
	} `json:"locations"`
	PartialFingerprints map[string]string `json:"partialFingerprints"`
	Suppressions        []struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	} `json:"suppressions"`
}

// strictly decodes the output of SARIF, without unknown members.
func strictly(t *testing.T, r *Report) strictLog {
	t.Helper()
	text, err := json.Marshal(r.SARIF())
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var log strictLog
	if err := decoder.Decode(&log); err != nil {
		t.Fatal(err)
	}
	return log
}

const sarifApplications = `# tokenidp:ignore secret-never-expires for orders-worker until 2027-01-31: the vendor cannot renew it
applications:
  - client_id: orders-worker
    secrets:
      - {id: "1", hash: "$sha256$0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}
      - {id: "2", hash: "$sha256$0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"}
    scopes: [orders.read]
`

// sarifOf returns the report on the files, in a repository whose root is the folder above.
func sarifOf(t *testing.T, applications string) []strictResult {
	t.Helper()
	root := t.TempDir()
	t.Chdir(root)
	if err := os.MkdirAll(".git", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("deploy to", 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(root, "deploy to"))
	example{"yaml": applications}.write(t)
	log := strictly(t, checkHere(t))
	if log.Version != "2.1.0" || !strings.HasPrefix(log.Schema, "https://") || len(log.Runs) != 1 {
		t.Errorf("%s %s, %d runs", log.Version, log.Schema, len(log.Runs))
	}
	rules := log.Runs[0].Tool.Driver.Rules
	for _, r := range log.Runs[0].Results {
		if r.RuleIndex < 0 || r.RuleIndex >= len(rules) || rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("%s has the wrong index %d", r.RuleID, r.RuleIndex)
		}
		if len(r.Locations) != 1 || r.Message.Text == "" || !slices.Contains([]string{"error", "warning", "note"}, r.Level) {
			t.Errorf("this result is not complete: %+v", r)
		}
	}
	for _, r := range rules {
		if r.ID == "" || r.ShortDescription.Text == "" || r.FullDescription.Text == "" || r.Help.Text == "" || !strings.HasSuffix(r.HelpURI, "docs/checks.md#"+r.ID) || r.DefaultConfiguration["level"] == "" {
			t.Errorf("this rule is not complete: %+v", r)
		}
	}
	return log.Runs[0].Results
}

func TestSARIF(t *testing.T) {
	results := sarifOf(t, sarifApplications)
	i := slices.IndexFunc(results, func(r strictResult) bool { return r.RuleID == "secret-never-expires" })
	if i < 0 {
		t.Fatal("the finding is not there")
	}
	r := results[i]
	place := r.Locations[0].PhysicalLocation
	if place.ArtifactLocation.URI != "deploy%20to/applications.yaml" || place.ArtifactLocation.URIBaseID != "%SRCROOT%" || place.Region.StartLine != 10 {
		t.Errorf("%+v", place)
	}
	if r.Locations[0].LogicalLocations[0].FullyQualifiedName != "orders-worker" || len(r.Suppressions) != 1 || r.Suppressions[0].Kind != "inSource" || r.Suppressions[0].Justification != "the vendor cannot renew it" {
		t.Errorf("%+v", r)
	}
}

var lineHash = regexp.MustCompile(`^[0-9a-f]{16}:[0-9]+$`)

// A finding that moves stays the same. Two findings differ.
func TestFingerprints(t *testing.T) {
	prints := func(applications string) (all []string) {
		for _, r := range sarifOf(t, applications) {
			print := r.PartialFingerprints["primaryLocationLineHash"]
			if !lineHash.MatchString(print) || slices.Contains(all, print) {
				t.Errorf("%s has the fingerprint %q", r.RuleID, print)
			}
			all = append(all, print)
		}
		return all
	}
	before, after := prints(sarifApplications), prints("# moved\n\n"+sarifApplications)
	if len(before) == 0 || !slices.Equal(before, after) {
		t.Errorf("%q became %q", before, after)
	}
	slices.Sort(before)
	other := prints(strings.ReplaceAll(sarifApplications, "orders-worker", "orders-report"))
	if slices.Equal(before, other) {
		t.Error("the findings of another Application have the same fingerprints")
	}
}

// Outside a repository, the place is an absolute URI. A configuration that was not read
// from a file has only a name.
func TestSARIFWithoutARepository(t *testing.T) {
	if got := artifactOf("/srv/a b/Caddyfile"); got.URI != "file:///srv/a%20b/Caddyfile" || got.URIBaseID != "" {
		t.Errorf("%+v", got)
	}
	r := &Report{Findings: []Finding{{Rule: Rules[0], Subject: "configuration", Message: "a"}}}
	if results := strictly(t, r).Runs[0].Results; results[0].Locations[0].PhysicalLocation != nil {
		t.Errorf("%+v", results)
	}
	if none := strictly(t, new(Report)).Runs[0].Results; none == nil || len(none) != 0 {
		t.Error("results is not an empty list")
	}
}
