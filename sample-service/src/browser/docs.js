/* Starts Swagger UI, which another script has loaded, and follows the browser's light or dark mode. */

const dark = matchMedia('(prefers-color-scheme: dark)')
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
dark.addEventListener('change', follow)
follow()

// No validator: the default one is on the internet.
const swagger = /** @type {{ SwaggerUIBundle(options: object): void }} */ (/** @type {unknown} */ (window))
swagger.SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', validatorUrl: null })
