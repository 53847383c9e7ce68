package target

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"

	"github.com/headgate/headgate/internal/gate/target/template"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// Send implements [Sender]. As with webhooks, an answer of 2xx is a delivery, 410 is final,
// and any other answer may be followed by another attempt.
func (h *HTTP) Send(ctx context.Context, m Message) error {
	body, err := h.body(m)
	if err != nil {
		return &Failure{Message: "the body cannot be made", Final: true, Cause: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return &Failure{Message: "the URL cannot be called", Final: true}
	}
	if err := h.authenticate(ctx, req, m, body); err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Headgate")
	if h.Body == nil {
		addCloudEvent(req.Header, m.Attributes)
	}
	resp, err := outbound.OrRefuse(h.Client).Do(req)
	if err != nil {
		if f, ok := errors.AsType[*fault.Error](err); ok {
			return &Failure{Message: f.Message, Unanswered: true, Cause: f}
		}
		return &Failure{Message: req.URL.Host + " does not answer in time", Unanswered: true, Cause: fault.WithoutURL(err)}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // a body that was read lets the connection be used again
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	return &Failure{
		Message: fmt.Sprintf("%s answers %s", req.URL.Host, fault.Status(resp.StatusCode)),
		Final:   resp.StatusCode == http.StatusGone, RetryAfter: outbound.RetryAfter(resp, h.Now()),
	}
}

// authenticate proves to the target who calls.
func (h *HTTP) authenticate(ctx context.Context, req *http.Request, m Message, body []byte) error {
	if h.Secret != "" {
		headers, err := signature.Sign(h.Secret, m.ID, h.Now(), body, h.FormerSecret)
		if err != nil {
			return &Failure{Message: "the message cannot be signed", Final: true, Cause: err}
		}
		req.Header = headers
		return nil
	}
	if h.Audience == "" && len(h.Scopes) == 0 {
		return nil
	}
	if h.Tokens == nil {
		return &Failure{Message: "this process has no account of Google's to authenticate with", Final: true}
	}
	var token string
	var err error
	if h.Audience != "" {
		token, err = h.Tokens.OIDC(ctx, h.Audience)
	} else {
		token, err = h.Tokens.OAuth(ctx, h.Scopes)
	}
	if err != nil {
		message := "no token of Google's is available to authenticate with"
		if f, ok := errors.AsType[*fault.Error](err); ok {
			message = f.Message
		}
		return &Failure{Message: message, Cause: err}
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// body returns the body of the request.
func (h *HTTP) body(m Message) ([]byte, error) {
	if h.Body == nil {
		return m.Data, nil
	}
	whole, err := structured(m)
	if err != nil {
		return nil, err
	}
	return template.Render(h.Body, func(name string) string {
		switch name {
		case "message":
			return string(m.Data)
		case "messageBase64":
			return base64.StdEncoding.EncodeToString(m.Data)
		case "cloudEvent":
			return string(whole)
		case "cloudEventBase64":
			return base64.StdEncoding.EncodeToString(whole)
		default:
			return m.Attributes[name]
		}
	})
}

// addCloudEvent adds the attributes in the HTTP binding's binary mode. Those of the message
// that CloudEvents does not know are extensions, whose names are lower case.
func addCloudEvent(header http.Header, attributes map[string]string) {
	for name, value := range attributes {
		switch {
		case name == "content-type":
			header.Set("Content-Type", value)
		case strings.HasPrefix(name, "ce-"):
			header.Set(name, percentEncoded(value))
		default:
			header.Set("ce-"+strings.ToLower(name), percentEncoded(value))
		}
	}
}

// percentEncoded encodes what a header of a CloudEvent may not have as it is: all but
// printable ASCII, and of that the space, the quotation mark and the percent sign.
func percentEncoded(value string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		if c <= ' ' || c > unicode.MaxASCII || c == 0x7f || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// structured returns the CloudEvent as one JSON object.
func structured(m Message) ([]byte, error) {
	whole := map[string]any{"data": json.RawMessage(m.Data)}
	for name, value := range m.Attributes {
		if name == "content-type" {
			name = "datacontenttype"
		}
		whole[strings.ToLower(strings.TrimPrefix(name, "ce-"))] = value
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(whole); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
