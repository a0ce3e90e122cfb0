package main

import (
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"github.com/openfaas/faas-provider/types"
)

const (
	namespace = "openfaas-fn" // the only one

	functionLabel   = "openfaas.function"
	deploymentLabel = "openfaas.deployment" // the request, which describes the function

	secretFolder = "/var/openfaas/secrets/" // in the container
)

var functionName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// newSpec turns the request to deploy a function into a container.
func newSpec(d types.FunctionDeployment, secrets secretStore, grace int) (containerSpec, error) {
	if len(d.Service) > 63 || !functionName.MatchString(d.Service) {
		return containerSpec{}, refuse(http.StatusBadRequest, "function %q: a name has only a-z, 0-9 and - in it", d.Service)
	}
	if err := checkNamespace(d.Namespace); err != nil {
		return containerSpec{}, err
	}
	mounts, err := mountsOf(d.Secrets, secrets)
	if err != nil {
		return containerSpec{}, err
	}
	host := hostConfig{Mounts: mounts, RestartPolicy: restartPolicy{"unless-stopped"}}
	if d.ReadOnlyRootFilesystem {
		host.ReadonlyRootfs = true
		// Without exec the engine forbids what Kubernetes allows in such a folder.
		host.Tmpfs = map[string]string{"/tmp": "exec,mode=1777"}
	}
	if d.Limits != nil {
		if err := limit(&host, *d.Limits); err != nil {
			return containerSpec{}, err
		}
	}
	described, err := json.Marshal(d)
	if err != nil {
		return containerSpec{}, err
	}
	return containerSpec{
		Image:       d.Image,
		Env:         environment(d),
		Labels:      map[string]string{functionLabel: d.Service, deploymentLabel: string(described)},
		StopTimeout: grace,
		HostConfig:  host,
	}, nil
}

func environment(d types.FunctionDeployment) []string {
	values := map[string]string{}
	maps.Copy(values, d.EnvVars)
	if d.EnvProcess != "" {
		values["fprocess"] = d.EnvProcess
	}
	values["OPENFAAS_NAME"] = d.Service
	values["OPENFAAS_NAMESPACE"] = namespace
	var list []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, name+"="+values[name])
	}
	return list
}

func mountsOf(names []string, secrets secretStore) ([]mount, error) {
	var list []mount
	for _, name := range names {
		file, err := secrets.existing(name)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "%v", err)
		}
		list = append(list, mount{Type: "bind", Source: file, Target: secretFolder + name, ReadOnly: true})
	}
	return list, nil
}

func limit(host *hostConfig, limits types.FunctionResources) error {
	memory, err := quantity("memory", limits.Memory)
	if err != nil {
		return err
	}
	cpu, err := quantity("cpu", limits.CPU)
	if err != nil {
		return err
	}
	host.Memory, host.NanoCPUs = int64(memory), int64(math.Round(cpu*1e9))
	return nil
}

var (
	quantityForm = regexp.MustCompile(`^([0-9]{1,15}(?:\.[0-9]{1,9})?)([a-zA-Z]{0,2})$`)

	factors = map[string]float64{
		"": 1, "m": 1e-3,
		"k": 1e3, "M": 1e6, "G": 1e9,
		"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30,
	}
)

// quantity reads a limit as Kubernetes writes them, such as 128Mi or 100m.
func quantity(name, text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	parts := quantityForm.FindStringSubmatch(text)
	if parts == nil || factors[parts[2]] == 0 {
		return 0, refuse(http.StatusBadRequest, "limit %s: %q is no quantity such as 128Mi, 1G, 100m or 0.5", name, text)
	}
	number, err := strconv.ParseFloat(parts[1], 64)
	return number * factors[parts[2]], err
}
