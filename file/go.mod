module github.com/distlock/distlock-go/file

go 1.26

require github.com/distlock/distlock-go/core v0.0.0

replace github.com/distlock/distlock-go/core => ../core
