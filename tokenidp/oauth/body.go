package oauth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

const (
	// maxBody bounds the body of a request, in bytes. The largest valid one, with a client
	// assertion, has a few kilobytes.
	maxBody = 64 << 10
	// readTimeout bounds how long a body may take to arrive.
	readTimeout = 10 * time.Second
)

// FormatOf returns the format of the answer, also for a request that is refused for its
// content type.
func FormatOf(r *http.Request) Format {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && mediaType == "application/json" {
		return JSON
	}
	return Form
}

// negotiate returns the format of the body. It accepts two media types (RFC 6749 section
// 4.4.2), not compressed, and guesses nothing from the body. JSON must be UTF-8. The media
// type of a form has no parameters, so those that clients add are ignored; a body that is
// not UTF-8 is refused as malformed.
func negotiate(r *http.Request) (Format, error) {
	for _, encoding := range r.Header.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return Form, refuse(ReasonContentEncoding, nil)
		}
	}
	types := r.Header.Values("Content-Type")
	if len(types) != 1 {
		return Form, refuse(ReasonMediaType, nil)
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	charset, named := params["charset"]
	switch {
	case mediaType == "application/x-www-form-urlencoded" && (err == nil || errors.Is(err, mime.ErrInvalidMediaParameter)):
		return Form, nil
	case err != nil || mediaType != "application/json":
		return Form, refuse(ReasonMediaType, nil)
	case named && !strings.EqualFold(charset, "utf-8"):
		return Form, refuse(ReasonMediaType, nil).saying("the body must be UTF-8")
	}
	return JSON, nil
}

// readBody reads the whole body. Its limits of size and time do not depend on the
// configuration of the server. Nothing beyond the limit is read.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	// Only writers of tests have no deadlines, and no slow clients.
	_ = control.SetReadDeadline(time.Now().Add(readTimeout))
	if r.ContentLength > maxBody {
		closeAfter(w, r)
		return nil, refuse(ReasonTooLarge, nil)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		_ = control.SetReadDeadline(time.Time{})
		return body, nil
	}
	// The deadline stays, because after the answer the server waits for the rest of the
	// body.
	closeAfter(w, r)
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return nil, refuse(ReasonTooLarge, nil)
	}
	return nil, refuse(ReasonUnreadableBody, err)
}

// closeAfter closes an HTTP/1 connection after the answer, if a part of the body was not
// read.
func closeAfter(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}
