package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/configfile"
)

// configCmd contains the commands for the settings of ignis serve.
type configCmd struct {
	Check  configCheckCmd  `cmd:"" help:"Check the settings of ignis serve, without starting a server."`
	Show   configShowCmd   `cmd:"" help:"Print the effective settings of ignis serve, and where each comes from."`
	Schema configSchemaCmd `cmd:"" help:"Print a JSON Schema of the configuration file, for editors."`
}

// Help returns what --help shows below the summary.
func (configCmd) Help() string {
	return `ignis serve takes its settings from flags, environment variables and a YAML file, in this order of precedence. Every flag is a key of the file. On SIGHUP, and when the file changes, the server reads it again without disconnecting clients; settings that need a restart are named in the log.

Example:

  ignis config schema > ignis.schema.json

  ignis config check --config ignis.yaml

  ignis serve --config ignis.yaml`
}

// configCheckCmd checks the settings of a server.
type configCheckCmd struct{ settings }

// Help returns what --help shows below the summary.
func (configCheckCmd) Help() string {
	return `It does what ignis serve does before it listens: it checks the file, the flags and the variables, and reads the files that they name. It does not connect to anything. The flags are those of ignis serve.

Exit codes: 0 the settings are valid; 2 they are not.`
}

// Run checks the settings.
func (c *configCheckCmd) Run(_ context.Context, command *kong.Context, std *stdio) error {
	e, err := loadSettings(&c.settings, command)
	if err != nil {
		return err
	}
	log := newLogger(std.err, e.LogFormat, slog.LevelWarn)
	cfg, err := e.appConfig(log)
	if err != nil {
		return err
	}
	if cfg.Redis, err = e.redisFlags.load(e.Redis, "", log); err != nil {
		return e.serveError(err)
	}
	if _, err := app.New(cfg); err != nil {
		return e.serveError(err)
	}
	name := e.file
	if name == "" {
		name = "flags and variables"
	}
	_, err = fmt.Fprintf(std.out, "%s: ok\n", name)
	return err
}

// configShowCmd prints the effective settings.
type configShowCmd struct {
	settings
	JSON bool `key:"-" name:"json" help:"Print a JSON array."`
}

// Help returns what --help shows below the summary.
func (configShowCmd) Help() string {
	return `The output is YAML. The comment behind each value says where it comes from: a flag, a variable, a line of the file, or the default. Secrets are hidden. The flags are those of ignis serve.`
}

// Run prints the settings.
func (c *configShowCmd) Run(_ context.Context, command *kong.Context, std *stdio) error {
	e, err := loadSettings(&c.settings, command)
	if err != nil {
		return err
	}
	list := e.loader.model.Settings(&e.settings, func(k *configfile.Key) (source, from string) {
		o := e.origin(k)
		return o.source, o.from
	})
	if c.JSON {
		enc := json.NewEncoder(std.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(list)
	}
	_, err = fmt.Fprint(std.out, configfile.WriteSettings(list))
	return err
}

// configSchemaCmd prints the JSON Schema of the file.
type configSchemaCmd struct{}

// Help returns what --help shows below the summary.
func (configSchemaCmd) Help() string {
	return `Editors with a YAML language server use the schema if the file starts with this line:

  # yaml-language-server: $schema=ignis.schema.json`
}

// Run prints the schema.
func (configSchemaCmd) Run(_ context.Context, _ *kong.Context, std *stdio) error {
	model, err := modelOfSettings()
	if err != nil {
		return err
	}
	_, err = std.out.Write(model.Schema("Configuration of ignis serve"))
	return err
}
