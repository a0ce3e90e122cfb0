// Package e2e takes every template the whole way that a function goes: built as
// faas-cli builds it, pushed, deployed through a provider, called and refused.
//
//	go test -tags e2e -v ./test/e2e
//
// It needs a Docker engine on Linux: the one that DOCKER_HOST or the default
// socket names, if that has the templates' base images or can pull them. Else,
// as root on Debian, it installs one and runs in namespaces of its own, where
// nothing touches the machine and all ends with the test. There a base image
// that can't be pulled is made from Debian's packages. Engine and images are
// kept in the user's cache folder, or in the one that E2E_CACHE names.
package e2e
