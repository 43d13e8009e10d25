/**
 * A certificate for 127.0.0.1 and localhost, signed by nobody but itself, until 2126. It protects nothing: its key is here
 * for all to read.
 *
 *     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
 *       -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1'
 */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUGH7mMzc+lZBVRHO0y4yC2VS8SuYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNDExMjAzNFoYDzIxMjYxMDMx
MTEyMDM0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQjoC4kvz4+v9T3AEC1Hn2ylhjjO7vUBRM4uLPNZDPWOxLP4Fm6pTxR
Cw+2kCSgVAwXwWXk1nLWDf5cc+ZMtf3eo28wbTAdBgNVHQ4EFgQUTyWN3QKYwwv0
SwuQtA8TINviglIwHwYDVR0jBBgwFoAUTyWN3QKYwwv0SwuQtA8TINviglIwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgUMNKw0emFPtZOw2jyHLHA5yKD4NdL1xkwRhz+6BF00QCIQCI
+CziI0yXwP2/jRfRPlv5zlgvUJiNWslCG2zcB1pmMA==
-----END CERTIFICATE-----
`

export const privateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgXU2OwB3JNr+Fpas7
xKhIVuqp7jtRmpXjKiP4zpxxh/ahRANCAAQjoC4kvz4+v9T3AEC1Hn2ylhjjO7vU
BRM4uLPNZDPWOxLP4Fm6pTxRCw+2kCSgVAwXwWXk1nLWDf5cc+ZMtf3e
-----END PRIVATE KEY-----
`
