package main

import (
	"strings"
	"time"

	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/configfile"
	"github.com/ignis-go/ignis/webhook"
)

// webhookFlags are the settings for the application's HTTP endpoint.
type webhookFlags struct {
	WebhookURL        string   `key:"webhook.url" secret:"url" name:"webhook-url" group:"Webhook" placeholder:"URL" help:"HTTP endpoint of the application. What it is asked and told is set in the configuration file."`
	WebhookSecretFile nameList `key:"webhook.secret_files" live:"" either:"webhook" name:"webhook-secret-file" group:"Webhook" placeholder:"FILE,..." help:"Files with the secrets that sign requests to the endpoint: whsec_ and 24 to 64 bytes in base64. Two files allow to rotate the secret. They are read again when they change."`
	WebhookSecret     string   `kong:"-" key:"webhook.secret" env:"IGNIS_WEBHOOK_SECRET" live:"" secret:"" either:"webhook" instead:"write the secret to a file of its own and name it in webhook.secret_files, or set IGNIS_WEBHOOK_SECRET" help:"Secrets that sign requests, separated by commas."`

	WebhookAuthenticate  bool        `kong:"-" key:"webhook.authenticate" help:"Whether the endpoint authenticates clients, instead of tokens."`
	WebhookEvents        []eventName `kong:"-" key:"webhook.events" help:"What the endpoint is told: connected, joined, left, disconnected."`
	WebhookMessages      string      `kong:"-" key:"webhook.messages" enum:"ask,tell" default:"ask" help:"Whether messages that rooms send to the webhook wait for its answer, which goes to the client (ask), or are queued like events (tell)."`
	WebhookHeaders       nameList    `kong:"-" key:"webhook.headers" help:"Headers of the client's request that the endpoint gets to authenticate it, such as Cookie."`
	WebhookTimeout       period      `kong:"-" key:"webhook.timeout" default:"5s" help:"Time in which the endpoint must answer a question."`
	WebhookMaxConcurrent count       `kong:"-" key:"webhook.max_concurrent" default:"64" help:"Maximum number of questions of one kind at the same time."`
	WebhookMaxAnswer     byteSize    `kong:"-" key:"webhook.max_answer" default:"256KiB" help:"Maximum size of an answer."`
	WebhookQueueEvents   count       `kong:"-" key:"webhook.queue_events" default:"10000" help:"Maximum number of events that wait to be delivered."`
	WebhookQueueBytes    byteSize    `kong:"-" key:"webhook.queue_bytes" default:"16MiB" help:"Maximum size of the events that wait to be delivered."`
	WebhookEventMaxAge   period      `kong:"-" key:"webhook.event_max_age" default:"10m" help:"Age at which an event that could not be delivered is dropped."`
	WebhookCAFile        string      `kong:"-" key:"webhook.ca_file" help:"Certificates of the authorities that sign the endpoint's certificate, in PEM format (those of the system)."`
}

// eventName is a kind of event that the webhook is told.
type eventName string

// UnmarshalText accepts what Syntax lists.
func (e *eventName) UnmarshalText(text []byte) error {
	*e = eventName(text)
	return nil
}

// Syntax implements [configfile.Scalar].
func (eventName) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Enum: []string{app.TellConnected, app.TellJoined, app.TellLeft, app.TellDisconnected}}
}

func (e eventName) String() string { return string(e) }

// config returns the configuration of the webhook.
func (f *webhookFlags) config() (app.Webhook, error) {
	if f.WebhookURL == "" {
		return app.Webhook{}, nil
	}
	w := app.Webhook{
		Client: webhook.Config{
			URL: f.WebhookURL, Headers: f.WebhookHeaders, Timeout: time.Duration(f.WebhookTimeout),
			MaxConcurrent: int(f.WebhookMaxConcurrent), MaxAnswer: int(f.WebhookMaxAnswer),
			QueueEvents: int(f.WebhookQueueEvents), QueueBytes: int(f.WebhookQueueBytes), EventMaxAge: time.Duration(f.WebhookEventMaxAge),
		},
		SecretFiles:  f.WebhookSecretFile,
		Authenticate: f.WebhookAuthenticate,
		TellMessages: f.WebhookMessages == "tell",
	}
	if f.WebhookSecret != "" {
		w.Client.Secrets = strings.Split(f.WebhookSecret, ",")
	}
	for _, e := range f.WebhookEvents {
		w.Tell = append(w.Tell, string(e))
	}
	var err error
	if w.Client.TLS, err = authorities(f.WebhookCAFile); err != nil {
		err = &keyError{"webhook.ca_file", err.Error()}
	}
	return w, err
}
