package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openfaas/faas-provider/types"
)

func TestSpec(t *testing.T) {
	secrets, err := newSecretStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := secrets.create("api-key", []byte("x")); err != nil {
		t.Fatal(err)
	}
	always := restartPolicy{"unless-stopped"}
	for name, c := range map[string]struct {
		in   types.FunctionDeployment
		env  []string
		host hostConfig
	}{
		"little": {
			types.FunctionDeployment{Service: "show", Image: "one"},
			[]string{"OPENFAAS_NAME=show", "OPENFAAS_NAMESPACE=openfaas-fn"},
			hostConfig{RestartPolicy: always},
		},
		"environment": {
			types.FunctionDeployment{
				Service: "show", Image: "one", EnvProcess: "./run",
				EnvVars: map[string]string{"a": "b=c", "fprocess": "./other", "OPENFAAS_NAME": "made-up"},
			},
			[]string{"OPENFAAS_NAME=show", "OPENFAAS_NAMESPACE=openfaas-fn", "a=b=c", "fprocess=./run"},
			hostConfig{RestartPolicy: always},
		},
		"secrets, limits, read-only": {
			types.FunctionDeployment{
				Service: "show", Image: "one", Secrets: []string{"api-key"}, ReadOnlyRootFilesystem: true,
				Limits: &types.FunctionResources{Memory: "128Mi", CPU: "100m"},
			},
			[]string{"OPENFAAS_NAME=show", "OPENFAAS_NAMESPACE=openfaas-fn"},
			hostConfig{
				Mounts:         []mount{{"bind", filepath.Join(secrets.folder, "api-key"), "/var/openfaas/secrets/api-key", true}},
				ReadonlyRootfs: true,
				Tmpfs:          map[string]string{"/tmp": "exec,mode=1777"},
				Memory:         128 << 20,
				NanoCPUs:       100_000_000,
				RestartPolicy:  always,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newSpec(c.in, secrets, 40)
			if err != nil {
				t.Fatal(err)
			}
			described, err := json.Marshal(c.in)
			if err != nil {
				t.Fatal(err)
			}
			want := containerSpec{
				Image: "one", Env: c.env, StopTimeout: 40, HostConfig: c.host,
				Labels: map[string]string{"openfaas.function": "show", "openfaas.deployment": string(described)},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("container (-want +got):\n%s", diff)
			}
		})
	}
}

func TestQuantity(t *testing.T) {
	for text, want := range map[string]float64{
		"": 0, "0": 0, "2": 2, "0.5": 0.5, "100m": 0.1, "64Ki": 64 << 10, "128Mi": 128 << 20, "1.5Gi": 1.5 * (1 << 30), "1G": 1e9, "3k": 3000, "2M": 2e6,
	} {
		if got, err := quantity("memory", text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"-1", "1.", ".5", "12Q", "1e3", "Mi", "inf", "NaN", "1 Gi", "128mi", "9999999999999999"} {
		if got, err := quantity("memory", text); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: got %v, %v, want an error that names it", text, got, err)
		}
	}
}
