package statuspage

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	styleText string
	//go:embed page.js
	scriptText string

	style = styleText + highlights()
	pages = template.Must(template.New("").Funcs(template.FuncMap{
		"name": name, "visible": visible, "whole": whole, "count": count, "amount": amount, "times": times, "word": word, "icon": icon,
		"documents": func() string { return documents },
		"asOf":      func() string { return asOfMark },
		"style":     func() template.HTML { return template.HTML("<style>" + style + "</style>") },        //nolint:gosec // of this package
		"script":    func() template.HTML { return template.HTML("<script>" + scriptText + "</script>") }, //nolint:gosec // of this package
	}).Parse(pageText))

	// securityPolicy allows the content of the page, and its refresh by the script.
	securityPolicy = strings.Join([]string{
		"default-src 'none'", "style-src " + hash(style), "script-src " + hash(scriptText), "img-src data:", "connect-src 'self'",
		"form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
	}, "; ")
)

// asOfMark replaces the time of the answer, which is not part of the ETag.
const asOfMark = "@as-of@"

// highlights returns the rules that show only the lines of the node under the pointer.
func highlights() string {
	var b strings.Builder
	for i := range mostNodes {
		fmt.Fprintf(&b, ".map:has(.left .n%d:is(:hover,:focus-within)) path:not(.l%d),.map:has(.right .n%d:is(:hover,:focus-within)) path:not(.r%d){opacity:.12}\n", i, i, i, i)
	}
	return b.String()
}

// hash returns the source of a policy that allows this text alone.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// icon returns a disc, or a ring if callers are refused.
func icon(bad bool) template.URL {
	shape := `<circle cx="8" cy="8" r="6" fill="%232554c7"/>`
	if bad {
		shape = `<circle cx="8" cy="8" r="5" fill="none" stroke="%23d0303a" stroke-width="4"/>`
	}
	return template.URL(`data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">` + shape + `</svg>`) //nolint:gosec // of this package
}

// HTML returns the page and its ETag. The ETag covers everything except the time.
func (p *Page) HTML() (text []byte, etag string, err error) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "page", p); err != nil {
		return nil, "", err
	}
	timeless := bytes.Replace(b.Bytes(), []byte(p.AsOf.Machine()), nil, 1)
	sum := sha256.Sum256(timeless)
	text = bytes.Replace(b.Bytes(), []byte(asOfMark), []byte(p.AsOf.at.Format("2 Jan 15:04:05 UTC")), 1)
	return text, `W/"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`, nil
}

// Serve answers a GET or HEAD request with the page.
func (p *Page) Serve(w http.ResponseWriter, r *http.Request) error {
	text, etag, err := p.HTML()
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", securityPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("ETag", etag)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if slices.Contains(strings.Split(r.Header.Get("If-None-Match"), ", "), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	if r.Method == http.MethodHead {
		return nil
	}
	_, err = w.Write(text)
	return err
}
