package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"

	"github.com/openfaas/faas-provider/types"
)

// secretName is what Kubernetes takes for one, and so faas-cli.
var secretName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// A secretStore is a folder with a file for each secret.
type secretStore struct{ folder string }

func newSecretStore(folder string) (secretStore, error) {
	folder, err := filepath.Abs(folder) // for the engine
	if err != nil {
		return secretStore{}, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // a function's user reads it
		return secretStore{}, err
	}
	return secretStore{folder}, os.Chmod(folder, 0o755) //nolint:gosec // whatever the umask
}

// file returns where a secret is, or would be.
func (s secretStore) file(name string) (string, error) {
	if len(name) > 253 || !secretName.MatchString(name) {
		return "", refuse(http.StatusBadRequest, "secret %q: a name has only a-z, 0-9, - and . in it", name)
	}
	return filepath.Join(s.folder, name), nil
}

// existing returns where a secret is.
func (s secretStore) existing(name string) (string, error) {
	file, err := s.file(name)
	if err != nil {
		return "", err
	}
	_, err = os.Stat(file)
	return file, told(name, err)
}

func (s secretStore) create(name string, value []byte) error {
	return s.write(name, value, os.O_CREATE|os.O_EXCL)
}

// update keeps the file, as faasd does: a container has that mounted, and not
// the folder.
func (s secretStore) update(name string, value []byte) error {
	return s.write(name, value, os.O_TRUNC)
}

func (s secretStore) write(name string, value []byte, how int) error {
	file, err := s.file(name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|how, 0o644) //nolint:gosec // a function's user reads it
	if err != nil {
		return told(name, err)
	}
	_, err = f.Write(value)
	return errors.Join(err, f.Chmod(0o644), f.Close())
}

func (s secretStore) remove(name string) error {
	file, err := s.file(name)
	if err != nil {
		return err
	}
	return told(name, os.Remove(file))
}

func (s secretStore) list() ([]string, error) {
	entries, err := os.ReadDir(s.folder)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// told says of a secret what its file has to say.
func told(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse(http.StatusNotFound, "there is no secret %q: create it first", name)
	case errors.Is(err, fs.ErrExist):
		return refuse(http.StatusConflict, "there is a secret %q already", name)
	}
	return err
}

func (p *provider) serveSecrets(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodGet {
		return p.listSecrets(w, r)
	}
	var s types.Secret
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		return refuse(http.StatusBadRequest, "the body is no secret in JSON: %v", err)
	}
	if err := checkNamespace(s.Namespace); err != nil {
		return err
	}
	value := s.RawValue
	if len(value) == 0 {
		value = []byte(s.Value)
	}
	err, done := error(nil), http.StatusAccepted
	switch r.Method {
	case http.MethodPost:
		err, done = p.secrets.create(s.Name, value), http.StatusCreated
	case http.MethodPut:
		err = p.secrets.update(s.Name, value)
	default:
		err = p.secrets.remove(s.Name)
	}
	if err == nil {
		w.WriteHeader(done)
	}
	return err
}

func (p *provider) listSecrets(w http.ResponseWriter, r *http.Request) error {
	if err := checkNamespace(r.URL.Query().Get("namespace")); err != nil {
		return err
	}
	names, err := p.secrets.list()
	if err != nil {
		return err
	}
	list := make([]types.Secret, 0, len(names))
	for _, name := range names {
		list = append(list, types.Secret{Name: name, Namespace: namespace})
	}
	return writeJSON(w, list)
}
