package wrangler

// unsupported are the keys that give a Worker what godwit does not have.
var unsupported = map[string]string{
	"agent_memory":              "Agent Memory",
	"ai":                        "Workers AI",
	"ai_search":                 "AI Search",
	"ai_search_namespaces":      "AI Search",
	"analytics_engine_datasets": "Analytics Engine",
	"artifacts":                 "Artifacts",
	"browser":                   "Browser Rendering",
	"cloudchamber":              "containers",
	"connect":                   "TCP listeners",
	"containers":                "containers",
	"d1_databases":              "D1",
	"dispatch_namespaces":       "dispatch namespaces",
	"flagship":                  "Flagship",
	"hyperdrive":                "Hyperdrive",
	"images":                    "Images",
	"k2":                        "K2",
	"logfwdr":                   "log forwarding",
	"media":                     "Media Transformations",
	"mtls_certificates":         "client certificates",
	"pages_build_output_dir":    "Pages projects",
	"pipelines":                 "Pipelines",
	"queues":                    "Queues",
	"r2_buckets":                "R2",
	"ratelimits":                "rate limits",
	"secrets_store_secrets":     "Secrets Store",
	"send_email":                "email",
	"stream":                    "Stream",
	"unsafe":                    "unsafe bindings",
	"unsafe_hello_world":        "unsafe bindings",
	"vectorize":                 "Vectorize",
	"vpc_networks":              "VPC networks",
	"vpc_services":              "VPC services",
	"worker_loaders":            "worker loaders",
	"workflows":                 "Workflows",
}

// ofNoConsequence are the keys that say nothing of what the Worker does here: where it
// is deployed, who watches it, what its account is.
var ofNoConsequence = map[string]bool{
	"$schema": true, "account_id": true, "addresses": true, "analytics": true, "cache": true,
	"compliance_region": true, "dependencies_instrumentation": true, "dev": true,
	"first_party_worker": true, "keep_vars": true, "legacy_env": true, "limits": true,
	"logpush": true, "observability": true, "placement": true, "preview_urls": true,
	"previews": true, "python_modules": true, "route": true, "routes": true,
	"send_metrics": true, "upload_source_maps": true, "usage_model": true,
	"workers_dev": true, "zone_id": true, "preserve_file_names": true,
	// What tools write into a configuration that they make.
	"configPath": true, "definedEnvironments": true, "targetEnvironment": true,
	"topLevelName": true, "userConfigPath": true,
}

// noted are keys without effect here that somebody may rely on.
var noted = map[string]string{
	"access":                   "Cloudflare Access does not stand in front of the Worker here",
	"tail_consumers":           "logs are written out, and go to no tail Worker",
	"streaming_tail_consumers": "logs are written out, and go to no tail Worker",
}

// understood are the keys that are read.
var understood = map[string]bool{
	"alias": true, "assets": true, "base_dir": true, "build": true,
	"compatibility_date": true, "compatibility_flags": true, "data_blobs": true,
	"define": true, "durable_objects": true, "env": true, "exports": true,
	"find_additional_modules": true, "jsx_factory": true, "jsx_fragment": true,
	"keep_names": true, "kv_namespaces": true, "main": true, "migrations": true,
	"minify": true, "name": true, "no_bundle": true, "rules": true, "secrets": true,
	"services": true, "site": true, "text_blobs": true, "triggers": true,
	"tsconfig": true, "vars": true, "version_metadata": true, "wasm_modules": true,
}

// notInherited are the keys that an environment does not take from the top: what it
// does not name itself, it has not.
var notInherited = map[string]bool{
	"agent_memory": true, "ai": true, "ai_search": true, "ai_search_namespaces": true,
	"analytics": true, "analytics_engine_datasets": true, "artifacts": true,
	"browser": true, "cloudchamber": true, "connect": true, "containers": true,
	"d1_databases": true, "define": true, "dispatch_namespaces": true,
	"durable_objects": true, "flagship": true, "hyperdrive": true, "images": true,
	"kv_namespaces": true, "media": true, "mtls_certificates": true, "pipelines": true,
	"queues": true, "r2_buckets": true, "ratelimits": true, "secrets": true,
	"secrets_store_secrets": true, "send_email": true, "services": true,
	"stream": true, "streaming_tail_consumers": true, "tail_consumers": true,
	"unsafe": true, "unsafe_hello_world": true, "vars": true, "vectorize": true,
	"version_metadata": true, "vpc_networks": true, "vpc_services": true, "worker_loaders": true, "workflows": true,
}

// ofTheTop are the keys that only the top of a file may have.
var ofTheTop = map[string]bool{
	"$schema": true, "addresses": true, "alias": true, "configPath": true,
	"data_blobs": true, "definedEnvironments": true, "dependencies_instrumentation": true,
	"dev": true, "env": true, "keep_vars": true, "legacy_env": true,
	"pages_build_output_dir": true, "send_metrics": true, "site": true,
	"targetEnvironment": true, "text_blobs": true, "topLevelName": true,
	"userConfigPath": true, "wasm_modules": true,
}
