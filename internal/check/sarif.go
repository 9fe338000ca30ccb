package check

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Documentation has a section for each rule, with its ID as the anchor.
const Documentation = "https://github.com/tokenidp/caddy-tokenidp/blob/main/docs/checks.md"

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// SARIF is a report in the Static Analysis Results Interchange Format, version 2.1.0.
type SARIF struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool    sarifTool     `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID                   string             `json:"id"`
	ShortDescription     sarifText          `json:"shortDescription"`
	FullDescription      sarifText          `json:"fullDescription"`
	Help                 sarifText          `json:"help"`
	HelpURI              string             `json:"helpUri"`
	DefaultConfiguration sarifConfiguration `json:"defaultConfiguration"`
	Properties           sarifRuleBag       `json:"properties"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifConfiguration struct {
	Level Severity `json:"level"`
}

// sarifRuleBag has the properties that GitHub reads of a rule.
type sarifRuleBag struct {
	Tags []string `json:"tags"`
}

type sarifResult struct {
	RuleID              string             `json:"ruleId"`
	RuleIndex           int                `json:"ruleIndex"`
	Level               Severity           `json:"level"`
	Message             sarifText          `json:"message"`
	Locations           []sarifLocation    `json:"locations"`
	PartialFingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions        []sarifSuppression `json:"suppressions,omitempty"`
}

type sarifLocation struct {
	Physical *sarifPhysical `json:"physicalLocation,omitempty"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI       string `json:"uri"`
	URIBaseID string `json:"uriBaseId,omitempty"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifLogical struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Justification string `json:"justification"`
}

// sourceRoot is the folder of the repository, as GitHub knows it.
const sourceRoot = "%SRCROOT%"

// SARIF returns the report for code scanning.
func (r *Report) SARIF() *SARIF {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "caddy tokenidp check", InformationURI: Documentation}}, Results: []sarifResult{}}
	index := make(map[*Rule]int)
	for i, rule := range Rules {
		index[rule] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule.sarif())
	}
	seen := make(map[string]int)
	for _, f := range r.Findings {
		result := f.sarif(seen)
		result.RuleIndex = index[f.Rule]
		run.Results = append(run.Results, result)
	}
	return &SARIF{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}}
}

func (r *Rule) sarif() sarifRule {
	return sarifRule{
		ID: string(r.ID), ShortDescription: sarifText{r.Title}, FullDescription: sarifText{r.Reason}, Help: sarifText{r.Correction},
		HelpURI: Documentation + "#" + string(r.ID), DefaultConfiguration: sarifConfiguration{r.Severity}, Properties: sarifRuleBag{[]string{"security"}},
	}
}

// sarif describes the finding. seen counts the findings with the same fingerprint.
func (f *Finding) sarif(seen map[string]int) sarifResult {
	location := sarifLocation{Logical: []sarifLogical{{f.Subject}}}
	artifact := artifactOf(f.Place.File)
	if f.Place.File != "" {
		location.Physical = &sarifPhysical{artifact, sarifRegion{max(1, f.Place.Line)}}
	}
	print := f.fingerprint(artifact)
	seen[print]++
	result := sarifResult{
		RuleID: string(f.Rule.ID), Level: f.Rule.Severity, Message: sarifText{f.Message + ". " + f.Rule.Correction}, Locations: []sarifLocation{location},
		PartialFingerprints: map[string]string{"primaryLocationLineHash": fmt.Sprintf("%s:%d", print, seen[print])},
	}
	if f.Ignored != nil {
		result.Suppressions = []sarifSuppression{{"inSource", f.Ignored.Reason}}
	}
	return result
}

// fingerprint stays the same when the finding moves to another line.
func (f *Finding) fingerprint(artifact sarifArtifact) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(f.Rule.ID), artifact.URI, f.Subject}, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// artifactOf returns the file in its repository, or else an absolute URI.
func artifactOf(file string) sarifArtifact {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return sarifArtifact{URI: uriOf(file)}
	}
	for folder := filepath.Dir(absolute); ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, ".git")); err == nil {
			relative, _ := filepath.Rel(folder, absolute)
			return sarifArtifact{URI: uriOf(relative), URIBaseID: sourceRoot}
		}
		if folder == filepath.Dir(folder) {
			return sarifArtifact{URI: "file://" + uriOf(absolute)}
		}
	}
}

// uriOf escapes a path.
func uriOf(path string) string { return (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() }
