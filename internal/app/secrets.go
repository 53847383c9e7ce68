package app

import (
	"context"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// secret returns the credential that value is, or refers to.
func (a *App) secret(ctx context.Context, value string) (string, error) {
	switch {
	case a.o.Secret != nil:
		return a.o.Secret(ctx, value)
	case credential.IsReference(value): // the reference itself would be a secret that anybody can guess
		return "", fault.New(fault.Invalid, "%s refers to a credential, but references cannot be resolved here", value)
	}
	return value, nil
}

// secrets returns the credentials that the values are, or refer to.
func (a *App) secrets(ctx context.Context, values []string) (out []string, err error) {
	for _, v := range values {
		s, err := a.secret(ctx, v)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// minShared is the smallest length of a shared secret, in bytes, that gets no warning. A
// shorter one can be guessed from one signed webhook.
const minShared = 16

// warnOfSecrets warns of webhook secrets that are easy to guess, or that verify no webhook.
// The configuration was checked before, but the secrets behind its references are known
// only now.
func (a *App) warnOfSecrets(setting, verify string, secrets []string) {
	for i, s := range secrets {
		switch {
		case verify == incoming.Standard && signature.CheckSecret(s) != nil:
			a.o.Log.Warn("a webhook secret is not valid, so it verifies no webhook: it must be whsec_ and base64 of at least 16 bytes, or whpk_ and a public key", "setting", setting, "index", i)
		case verify != incoming.Standard && verify != incoming.None && len(s) < minShared:
			a.o.Log.Warn("a webhook secret is short and can be guessed: it should have at least 16 bytes", "setting", setting, "index", i)
		}
	}
}

// warnOfTokens warns of secrets of tokens that verify none. As with webhooks, those behind
// references are known only now.
func (a *App) warnOfTokens(secret, former string) {
	if secret != "" && len(secret) < config.MinTokenSecret {
		a.o.Log.Warn("the secret of tokens is too short, so no token is accepted: HS256 needs at least 32 bytes", "setting", "live.token.secret")
	}
	switch {
	case former == "":
	case len(former) < config.MinTokenSecret:
		a.o.Log.Warn("the former secret of tokens is too short, so its tokens are refused: HS256 needs at least 32 bytes", "setting", "live.token.formerSecret")
	case former == secret:
		a.o.Log.Warn("the former secret of tokens is the present one, so tokens of the one before the change are refused", "setting", "live.token.formerSecret")
	}
}
