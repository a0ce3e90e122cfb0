package page

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
)

// LogoType finds out by its content what an image is. An SVG has to be XML from
// end to end.
func LogoType(b []byte) (contentType string, ok bool) {
	switch t := http.DetectContentType(b); t {
	case "image/png", "image/jpeg", "image/webp", "image/gif":
		return t, true
	}
	if isSVG(b) {
		return "image/svg+xml", true
	}
	return "", false
}

func isSVG(b []byte) bool {
	root := xml.Name{}
	for d := xml.NewDecoder(bytes.NewReader(b)); ; {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return root == xml.Name{Space: "http://www.w3.org/2000/svg", Local: "svg"}
		}
		if err != nil {
			return false
		}
		if e, isStart := t.(xml.StartElement); isStart && root.Local == "" {
			root = e.Name
		}
	}
}
