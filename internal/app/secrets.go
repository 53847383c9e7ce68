package app

import (
	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// minShared is the least that a shared secret should have, in bytes: what is shorter
// can be guessed from one signed webhook.
const minShared = 16

// warnOfSecrets logs secrets of webhooks that protect nothing, or let nothing in. The
// configuration was checked before; what its references lead to is known only now.
func (a *App) warnOfSecrets(setting, verify string, secrets []string) {
	for i, s := range secrets {
		switch {
		case verify == incoming.Standard && signature.CheckSecret(s) != nil:
			a.o.Log.Warn("a secret verifies no webhook: it must be whsec_ and base64 of at least 16 bytes, or whpk_ and a public key", "setting", setting, "index", i)
		case (verify == incoming.GitHub || verify == incoming.Bearer) && len(s) < minShared:
			a.o.Log.Warn("a secret of a webhook is short: it should have at least 16 bytes", "setting", setting, "index", i)
		}
	}
}

// warnOfToken logs that no token will be valid.
func (a *App) warnOfToken(secret string) {
	if secret != "" && len(secret) < config.MinTokenSecret {
		a.o.Log.Warn("a secret verifies no token: HS256 needs at least 32 bytes", "setting", "live.token.secret")
	}
}
