package main

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestServe(*testing.T) {
	serve(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader("")))
}
