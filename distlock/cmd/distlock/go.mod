module github.com/distlock/distlock-go/distlock/cmd/distlock

go 1.26.0

require (
	github.com/distlock/distlock-go/distlock v0.0.0
	github.com/spf13/cobra v1.10.2
	golang.org/x/sys v0.49.0
	golang.org/x/term v0.47.0
)

require (
	github.com/distlock/distlock-go/core v0.0.0 // indirect
	github.com/distlock/distlock-go/file v0.0.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
)

replace (
	github.com/distlock/distlock-go/core => ../../../core
	github.com/distlock/distlock-go/distlock => ../../../distlock
	github.com/distlock/distlock-go/file => ../../../file
)
