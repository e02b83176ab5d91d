module github.com/distlock/distlock-go/distlock

go 1.26

require (
	github.com/distlock/distlock-go/core v0.0.0
	github.com/distlock/distlock-go/file v0.0.0
)

replace (
	github.com/distlock/distlock-go/core => ../core
	github.com/distlock/distlock-go/file => ../file
)
