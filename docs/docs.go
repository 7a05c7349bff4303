// Package docs holds those of the repository's pages that a node serves itself. It
// must not import anything of the module, for everyone may import it.
package docs

import _ "embed"

//go:embed openapi.yaml
var openAPI string

// OpenAPI is the description of the native API, in YAML.
func OpenAPI() string { return openAPI }
