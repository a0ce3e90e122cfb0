package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openfaas/faas-provider/types"
)

const show1 = `{"service":"show","image":"one"}`

func (s served) status(function string) types.FunctionStatus {
	s.t.Helper()
	code, text := s.call("GET", "/system/function/"+function, "")
	var status types.FunctionStatus
	if err := json.Unmarshal([]byte(text), &status); err != nil || code != 200 {
		s.t.Fatalf("status of %s: %d %s, %v", function, code, text, err)
	}
	return status
}

func TestDeployAndRemove(t *testing.T) {
	s := serve(t)
	s.want("PUT", "/system/functions", show1, 404, `there is no function "show"`)
	s.want("POST", "/system/functions", show1, 202, "")
	s.wantChanges("create openfaas-fn.show", "start openfaas-fn.show")
	s.want("DELETE", "/system/functions", `{"functionName":"show"}`, 202, "")
	s.wantChanges("rename openfaas-fn.show openfaas-fn.show.old-id1", "stop openfaas-fn.show.old-id1", "remove openfaas-fn.show.old-id1")
	s.want("DELETE", "/system/functions", `{"functionName":"show"}`, 404, `there is no function "show"`)
}

func TestDeployFails(t *testing.T) {
	s := serve(t)
	for name, c := range map[string]struct {
		body   string
		status int
		answer string
	}{
		"no image":       {`{"service":"show","image":"missing"}`, 400, "the Docker engine: No such image: missing"},
		"unknown secret": {`{"service":"show","image":"one","secrets":["key"]}`, 400, `there is no secret "key": create it first`},
		"other place":    {`{"service":"show","image":"one","namespace":"x"}`, 400, `namespace "x": there is openfaas-fn only`},
		"bad name":       {`{"service":"../show","image":"one"}`, 400, `function "../show": a name has only a-z, 0-9 and - in it`},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			s.want("POST", "/system/functions", c.body, c.status, c.answer)
			s.wantChanges()
		})
	}
}

func TestUpdateSwitchesWhenReady(t *testing.T) {
	for _, method := range []string{"PUT", "POST"} {
		t.Run(method, func(t *testing.T) {
			s := serve(t)
			s.want("POST", "/system/functions", show1, 202, "")
			s.want("GET", "/function/show", "", 200, "from one")
			s.engine.changes()
			s.want(method, "/system/functions", `{"service":"show","image":"two"}`, 200, "")
			s.want("GET", "/function/show", "", 200, "from two")
			s.wantChanges(
				"create openfaas-fn.show.next", "start openfaas-fn.show.next",
				"rename openfaas-fn.show openfaas-fn.show.old-id1", "rename openfaas-fn.show.next openfaas-fn.show",
				"stop openfaas-fn.show.old-id1", "remove openfaas-fn.show.old-id1",
			)
		})
	}
}

func TestUpdateKeepsTheOldOne(t *testing.T) {
	for name, c := range map[string]struct {
		fields string
		want   []string
	}{
		"it ends":             {`"image":"ends"`, []string{"show is not updated: it ended with exit code 2", "hello\nthis is ends"}},
		"it is never ready":   {`"image":"unready"`, []string{"did not answer /_/ready with 200 within 100ms", "hello\nthis is unready"}},
		"there is no image":   {`"image":"missing"`, []string{"No such image: missing"}},
		"a secret is missing": {`"image":"one","secrets":["key"]`, []string{`there is no secret "key"`}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.readyTimeout = 100 * time.Millisecond
			s.engine.ends["ends"] = true
			s.want("POST", "/system/functions", show1, 202, "")
			status, answer := s.call("PUT", "/system/functions", `{"service":"show",`+c.fields+`}`)
			for _, want := range c.want {
				if status < 400 || status == 404 || !strings.Contains(answer, want) {
					t.Errorf("got %d %s, want an error that is not 404 with %q", status, answer, want)
				}
			}
			s.want("GET", "/function/show", "", 200, "from one")
			if diff := cmp.Diff([]string{"openfaas-fn.show"}, s.engine.names()); diff != "" {
				t.Errorf("containers that are left (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTwoUpdatesAtOnce(t *testing.T) {
	s := serve(t)
	s.want("POST", "/system/functions", show1, 202, "")
	if _, err := s.provider.engine.create(t.Context(), "openfaas-fn.show.next", containerSpec{}); err != nil {
		t.Fatal(err)
	}
	s.want("PUT", "/system/functions", show1, 409, "the Docker engine: Conflict. The container name is already in use")
}

func TestStatus(t *testing.T) {
	s := serve(t)
	s.want("POST", "/system/secrets", `{"name":"key","value":"x"}`, 201, "")
	s.want("POST", "/system/functions", `{"service":"show","image":"one","namespace":"openfaas-fn","envProcess":"./run","envVars":{"a":"b"},
		"secrets":["key"],"labels":{"team":"blue"},"annotations":{"topic":"x"},"limits":{"memory":"64Mi"},"requests":{"cpu":"1m"},
		"constraints":["c"],"readOnlyRootFilesystem":true}`, 202, "")
	want := types.FunctionStatus{
		Name: "show", Image: "one", Namespace: "openfaas-fn", EnvProcess: "./run", EnvVars: map[string]string{"a": "b"},
		Secrets: []string{"key"}, Labels: &map[string]string{"team": "blue"}, Annotations: &map[string]string{"topic": "x"},
		Limits: &types.FunctionResources{Memory: "64Mi"}, Requests: &types.FunctionResources{CPU: "1m"},
		Constraints: []string{"c"}, ReadOnlyRootFilesystem: true,
		Replicas: 1, AvailableReplicas: 1, CreatedAt: time.Unix(1700000000, 0).UTC(),
	}
	if diff := cmp.Diff(want, s.status("show")); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	s.call("GET", "/function/show", "")
	s.call("GET", "/function/show.openfaas-fn/x", "")
	s.call("GET", "/function/other", "")
	want.InvocationCount = 2
	_, text := s.call("GET", "/system/functions?namespace=openfaas-fn", "")
	var list []types.FunctionStatus
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]types.FunctionStatus{want}, list); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func TestNotReadyIsNotAvailable(t *testing.T) {
	s := serve(t)
	s.want("POST", "/system/functions", `{"service":"show","image":"unready"}`, 202, "")
	if got := s.status("show"); got.Replicas != 1 || got.AvailableReplicas != 0 {
		t.Errorf("got %d of %d available, want 0 of 1", got.AvailableReplicas, got.Replicas)
	}
}

func TestAnotherProviderGoesOn(t *testing.T) {
	e, state := newFakeEngine(t), t.TempDir()
	first := serveOn(t, e, state)
	first.want("POST", "/system/secrets", `{"name":"key","value":"x"}`, 201, "")
	first.want("POST", "/system/functions", `{"service":"show","image":"one","secrets":["key"],"envVars":{"a":"b"}}`, 202, "")
	// An update that the first one began.
	spec := containerSpec{Image: "two", Labels: map[string]string{functionLabel: "show"}}
	if _, err := first.run(t.Context(), "openfaas-fn.show.next", spec); err != nil {
		t.Fatal(err)
	}
	e.changes()

	second := serveOn(t, e, state)
	if err := second.tidy(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	second.wantChanges("stop openfaas-fn.show.next", "remove openfaas-fn.show.next")
	second.want("GET", "/function/show", "", 200, "from one")
	second.want("GET", "/system/secrets", "", 200, `[{"name":"key","namespace":"openfaas-fn"}]`)
	if got := second.status("show"); got.EnvVars["a"] != "b" {
		t.Errorf("got %+v, want what the function was deployed with", got)
	}
}

func TestScale(t *testing.T) {
	s := serve(t)
	s.want("POST", "/system/functions", show1, 202, "")
	s.engine.changes()
	s.want("POST", "/system/scale-function/show", `{"serviceName":"show","replicas":0}`, 202, "")
	s.wantChanges("stop openfaas-fn.show")
	if got := s.status("show"); got.Replicas != 0 || got.AvailableReplicas != 0 {
		t.Errorf("got %d of %d available, want none", got.AvailableReplicas, got.Replicas)
	}
	s.want("POST", "/system/scale-function/show", `{"replicas":1}`, 202, "")
	s.wantChanges("start openfaas-fn.show")
	s.want("POST", "/system/scale-function/show", `{"replicas":2}`, 400, "replicas: 2 is more than this provider runs, 0 or 1")
}
