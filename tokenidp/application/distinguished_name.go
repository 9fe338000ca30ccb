package application

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

// attribute is one type and value of a distinguished name. The type is a dotted
// object identifier.
type attribute struct{ kind, value string }

// relativeName is a set of attributes; most have one.
type relativeName []attribute

// attributeTypes has the names of attribute types of RFC 4514 section 3, and others that
// are common in certificates of services.
var attributeTypes = map[string]string{
	"CN": "2.5.4.3", "SN": "2.5.4.4", "SERIALNUMBER": "2.5.4.5", "C": "2.5.4.6", "L": "2.5.4.7", "ST": "2.5.4.8",
	"STREET": "2.5.4.9", "O": "2.5.4.10", "OU": "2.5.4.11", "TITLE": "2.5.4.12", "POSTALCODE": "2.5.4.17", "GN": "2.5.4.42",
	"ORGANIZATIONIDENTIFIER": "2.5.4.97", "UID": "0.9.2342.19200300.100.1.1", "DC": "0.9.2342.19200300.100.1.25",
	"EMAILADDRESS": "1.2.840.113549.1.9.1", "E": "1.2.840.113549.1.9.1",
}

// objectIdentifier is numericoid of RFC 4512 section 1.4.
var objectIdentifier = regexp.MustCompile(`^[0-2](\.(0|[1-9][0-9]*))+$`)

// parseDistinguishedName reads the string of RFC 4514, in which the most specific
// name comes first: CN=orders,OU=batch,O=Example. The result begins with the least
// specific one, as certificates do.
func parseDistinguishedName(s string) ([]relativeName, error) {
	if s == "" {
		return nil, errors.New("it is empty")
	}
	var name []relativeName
	relative := relativeName{}
	for {
		a, separator, rest, err := parseAttribute(s)
		if err != nil {
			return nil, err
		}
		relative = append(relative, a)
		if separator != '+' {
			name, relative = append(name, sortedName(relative)), relativeName{}
		}
		if separator == 0 {
			slices.Reverse(name)
			return name, nil
		}
		s = rest
	}
}

// parseAttribute reads up to an unescaped comma or plus sign, or to the end.
func parseAttribute(s string) (a attribute, separator byte, rest string, err error) {
	kind, encoded, ok := strings.Cut(s, "=")
	if !ok {
		return a, 0, "", fmt.Errorf("%s is not <type>=<value>; write a comma within a value as \\,", strictyaml.Quote(s))
	}
	if a.kind, err = attributeType(kind); err != nil {
		return a, 0, "", err
	}
	end := valueEnd(encoded)
	if end < len(encoded) {
		separator, rest = encoded[end], encoded[end+1:]
	}
	a.value, err = attributeValue(encoded[:end])
	return a, separator, rest, err
}

func attributeType(kind string) (string, error) {
	if known, ok := attributeTypes[strings.ToUpper(kind)]; ok {
		return known, nil
	}
	if objectIdentifier.MatchString(kind) {
		return kind, nil
	}
	return "", fmt.Errorf("the attribute type %s is unknown; write its object identifier, as in 2.5.4.3=orders, and no space around commas", strictyaml.Quote(kind))
}

func valueEnd(encoded string) int {
	for i := 0; i < len(encoded); i++ {
		switch encoded[i] {
		case '\\':
			i++
		case ',', '+':
			return i
		}
	}
	return len(encoded)
}

// attributeValue removes the escapes (RFC 4514 section 2.4). A character that must be
// escaped, and is not, is an error.
func attributeValue(encoded string) (string, error) {
	if digits, ok := strings.CutPrefix(encoded, "#"); ok {
		return berValue(digits)
	}
	if strings.HasPrefix(encoded, " ") || strings.HasSuffix(encoded, " ") && !strings.HasSuffix(encoded, `\ `) {
		return "", fmt.Errorf("the value %s begins or ends with a space; remove it, or write \\20", strictyaml.Quote(encoded))
	}
	var value []byte
	for i := 0; i < len(encoded); i++ {
		c := encoded[i]
		if c != '\\' {
			if strings.IndexByte("\";<>\x00", c) >= 0 {
				return "", fmt.Errorf("the value %s has an unescaped %q; write it with a \\ before it", strictyaml.Quote(encoded), c)
			}
			value = append(value, c)
			continue
		}
		rest := encoded[i+1:]
		octet, err := hex.DecodeString(rest[:min(2, len(rest))])
		switch {
		case err == nil && len(octet) == 1:
			value = append(value, octet[0])
			i += 2
		case rest != "" && strings.IndexByte(` "#+,;<=>\`, rest[0]) >= 0:
			value = append(value, rest[0])
			i++
		default:
			return "", fmt.Errorf("the value %s has a \\ that escapes nothing", strictyaml.Quote(encoded))
		}
	}
	if len(value) == 0 || !utf8.Valid(value) {
		return "", fmt.Errorf("the value %s is empty, or not UTF-8", strictyaml.Quote(encoded))
	}
	return string(value), nil
}

// berValue returns a value in hexadecimal BER, which must be a string.
func berValue(digits string) (string, error) {
	der, err := hex.DecodeString(digits)
	if err != nil {
		return "", fmt.Errorf("#%s is not hexadecimal", digits)
	}
	var value any
	rest, err := asn1.Unmarshal(der, &value)
	text, ok := value.(string)
	if err != nil || len(rest) > 0 || !ok || text == "" {
		return "", fmt.Errorf("#%s is not the BER encoding of a string", digits)
	}
	return text, nil
}

func sortedName(r relativeName) relativeName {
	slices.SortFunc(r, func(a, b attribute) int {
		return strings.Compare(a.kind+"\x00"+a.value, b.kind+"\x00"+b.value)
	})
	return r
}

// subjectIs compares the subject of a certificate, in DER, name by name. Values are
// compared byte for byte, whatever their string type. With the case rules of X.520, two
// different certificates could match one client.
func subjectIs(der []byte, want []relativeName) bool {
	var subject pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &subject); err != nil || len(rest) > 0 || len(subject) != len(want) {
		return false
	}
	for i, set := range subject {
		var r relativeName
		for _, a := range set {
			value, ok := a.Value.(string)
			if !ok {
				return false
			}
			r = append(r, attribute{a.Type.String(), value})
		}
		if !slices.Equal(sortedName(r), want[i]) {
			return false
		}
	}
	return len(want) > 0
}
