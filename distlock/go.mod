module github.com/distlock/distlock-go/distlock

go 1.26.0

require (
	github.com/distlock/distlock-go/core v0.0.0
	github.com/distlock/distlock-go/file v0.0.0
)

require golang.org/x/sys v0.49.0 // indirect

replace (
	github.com/distlock/distlock-go/core => ../core
	github.com/distlock/distlock-go/file => ../file
)
