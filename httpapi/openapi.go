package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/ignis-go/ignis/wire"
)

// described is an operation for the OpenAPI document.
type described struct {
	id, method, path, summary, text string
	scope                           Scope
	problems                        []kind // besides those of all operations
}

// problemsOfAll are the problems that each operation may have.
var problemsOfAll = []kind{problemUnauthorized, problemForbidden, problemInvalid, problemRate, problemInternal, problemOverloaded}

// problemsOfEffects are those of operations that change something.
var problemsOfEffects = []kind{problemMalformed, problemTimeout, problemInProgress, problemTooLarge, problemMediaType}

// docs is the OpenAPI document while it is made.
type docs struct {
	h   *Handler
	api huma.API
}

// register registers the operations, and makes the OpenAPI document from them.
func (h *Handler) register() {
	d := &docs{h: h}
	d.api = huma.NewAPI(huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Ignis HTTP API", Version: "1",
				Description: "Publish messages, manage clients, and list clients, users and rooms. Errors are problem details (RFC 9457); their types do not change.",
			},
			Servers: []*huma.Server{{URL: ".", Description: "This instance"}}, // relative to the document
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{"key": {Type: "http", Scheme: "bearer", Description: "An API key"}},
			},
		},
		Formats: map[string]huma.Format{
			"application/json": {Marshal: marshal, Unmarshal: unmarshal},
			"json":             {Marshal: marshal, Unmarshal: unmarshal}, // of application/problem+json
		},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{transform},
	}, d)
	d.publishing()
	d.commands()
	d.drains()
	d.lists()
	schemas := d.api.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel") // of package huma; transform replaces it
	delete(schemas, "ErrorDetail")
	for name, s := range schemas {
		if !slices.Contains(requests, name) {
			s.AdditionalProperties = nil // later versions may add fields to answers
		}
	}
	h.registerDocs(d.api.OpenAPI())
}

// requests are the names of the schemas that occur in requests.
var requests = []string{"BatchRequest", "PublishRequest", "From", "Destination", "DisconnectRequest", "RoomsRequest", "RevokeRequest", "DrainRequest"}

// marshal encodes an answer.
func marshal(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// unmarshal decodes a request. Unlike encoding/json, it accepts no invalid UTF-8, no deep nesting
// and no repeated keys, and keys are case-sensitive.
func unmarshal(text []byte, v any) error {
	if err := wire.Valid(text); err != nil {
		return err
	}
	if t := reflect.TypeOf(v).Elem(); t.Kind() == reflect.Struct { // otherwise the values for the schema
		if err := strictKeys(text, t); err != nil {
			return err
		}
	}
	return json.Unmarshal(text, v)
}

// maxErrors is the maximum number of invalid fields that a problem names.
const maxErrors = 20

// transform replaces the errors of package huma.
func transform(ctx huma.Context, _ string, v any) (any, error) {
	c := callOf(ctx.Context())
	switch e := v.(type) {
	case *problem:
		e.RequestID = c.id
		return e, nil
	case huma.StatusError:
		p := problemInvalid.problem("The request does not have the documented form.")
		switch e.GetStatus() {
		case http.StatusBadRequest:
			p = problemMalformed.problem("The body is missing or is not valid JSON.")
		case http.StatusUnprocessableEntity:
		default:
			p = problemInternal.problem("The log of the server says more.")
		}
		if m, ok := e.(*huma.ErrorModel); ok {
			for _, d := range m.Errors[:min(len(m.Errors), maxErrors)] {
				p.Errors = append(p.Errors, fieldError{fmt.Sprintf("%.100s", d.Location), fmt.Sprintf("%.200s", d.Message)})
			}
		}
		p.RequestID = c.id
		return p, nil
	}
	return v, nil
}

// operation returns the operation for package huma.
func (d *docs) operation(o described) huma.Operation {
	op := huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Summary: o.summary, Description: o.text,
		Tags: []string{string(o.scope)}, Security: []map[string][]string{{"key": {string(o.scope)}}},
		Responses: make(map[string]*huma.Response), BodyReadTimeout: -1, RejectUnknownQueryParameters: true,
		MaxBodyBytes: -1, // readBody has limited it
	}
	schema := d.schema(problem{}, "Problem")
	add := func(list []kind) {
		for _, k := range list {
			status := strconv.Itoa(k.status)
			if r := op.Responses[status]; r != nil {
				r.Description += ", or " + problemPrefix + k.name
				continue
			}
			op.Responses[status] = &huma.Response{
				Description: problemPrefix + k.name,
				Content:     map[string]*huma.MediaType{problemType: {Schema: schema}},
			}
		}
	}
	add(problemsOfAll)
	if o.method == http.MethodPost {
		add(problemsOfEffects)
		add(o.problems)
		add([]kind{problemNotRunning, problemUnknownOutcome, problemKeyReused, problemFailures, problemStore})
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: huma.TypeString},
			Description: "A name for the request, at most 255 characters. A later request with the same name gets the same answer and does nothing.",
		})
	} else {
		add(o.problems)
		add([]kind{problemFailures})
	}
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: "X-Request-Id", In: "header", Schema: &huma.Schema{Type: huma.TypeString},
		Description: "The ID of the request in the log. If it is missing or malformed, the server makes one. The answer contains it.",
	})
	return op
}

func (d *docs) schema(v any, hint string) *huma.Schema {
	return d.api.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(v), true, hint)
}

// byHand adds an operation that is decoded by hand.
func (d *docs) byHand(o described, request, answer any, example string, serve func(*call)) {
	op := d.operation(o)
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": {Schema: d.schema(request, ""), Example: json.RawMessage(example)},
	}}
	op.Responses["200"] = &huma.Response{
		Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: d.schema(answer, "")}},
	}
	d.api.OpenAPI().AddOperation(&op)
	d.h.handle(o.method, o.path, &operation{id: o.id, scope: o.scope, effect: true, body: d.h.cfg.MaxBody, serve: serve})
}

// Handle implements huma.Adapter.
func (d *docs) Handle(op *huma.Operation, handler func(huma.Context)) {
	scope := Scope(op.Tags[0])
	d.h.handle(op.Method, op.Path, &operation{
		id: op.OperationID, scope: scope, effect: op.Method == http.MethodPost, body: min(d.h.cfg.MaxBody, maxCommandBody),
		serve: func(c *call) {
			if c.op.effect {
				c.r.Body = readCloser{bytes.NewReader(c.body)}
				c.r.Header.Set("Content-Type", "application/json") // readers of the body ignore it
			}
			c.r.Header.Del("Accept") // there is only one type
			w := &recorder{call: c}
			r := c.r.WithContext(context.WithValue(c.r.Context(), callKey{}, c))
			handler(humago.NewContext(op, r, w))
			w.finish()
		},
	})
}

// ServeHTTP implements huma.Adapter.
func (d *docs) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.h.ServeHTTP(w, r) }

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

type callKey struct{}

// callOf returns the call to which a context belongs.
func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// recorder is the answer of an operation that package huma serves.
type recorder struct {
	call   *call
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.call.w.Header() }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// finish sends the answer.
func (r *recorder) finish() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	switch r.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		r.call.h.counts.invalid.Add(1)
	}
	r.call.send(r.status, r.body.Bytes())
}
