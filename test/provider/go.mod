module auth-watchdog/test/provider

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/gorilla/mux v1.8.1
	github.com/openfaas/faas-provider v0.25.12
)
