// Package js has the JavaScript that is both in the npm package of this directory and on
// the server, which serves it to pages.
package js

import _ "embed"

// Live is the live client, an ECMAScript module.
//
//go:embed live.js
var Live []byte
