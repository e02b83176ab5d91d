module github.com/distlock/distlock-go/distlock/cmd/distlock

go 1.26

require (
	github.com/distlock/distlock-go/core v0.0.0
	github.com/distlock/distlock-go/distlock v0.0.0
	github.com/distlock/distlock-go/file v0.0.0
)

replace (
	github.com/distlock/distlock-go/core => ../../../core
	github.com/distlock/distlock-go/distlock => ../../../distlock
	github.com/distlock/distlock-go/file => ../../../file
)
