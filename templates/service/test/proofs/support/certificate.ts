/**
 * A self-signed certificate for the address 127.0.0.1 without a name, valid until 2126. It protects nothing: its key is
 * public here.
 *
 *     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
 *       -subj /CN=postgres -addext 'subjectAltName=IP:127.0.0.1'
 */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBjTCCATSgAwIBAgIUbIWibjsq333C3gkr54lVpJsySr4wCgYIKoZIzj0EAwIw
EzERMA8GA1UEAwwIcG9zdGdyZXMwIBcNMjYxMTI4MTcxNDA4WhgPMjEyNjExMDQx
NzE0MDhaMBMxETAPBgNVBAMMCHBvc3RncmVzMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEzw8FjVMcOlbTWswmOmy5HrCeeGL2SN8YcF7XsMDR8N1SwCV9RhvYz1xW
fiYGfWj7V6L/iLIX6JhYUYWzbZdiHKNkMGIwHQYDVR0OBBYEFM48Df4JUkR2SkAQ
2xXRaUq3dyToMB8GA1UdIwQYMBaAFM48Df4JUkR2SkAQ2xXRaUq3dyToMA8GA1Ud
EwEB/wQFMAMBAf8wDwYDVR0RBAgwBocEfwAAATAKBggqhkjOPQQDAgNHADBEAiB3
G3ITAjx/EEqMKipR6TkZxI5NzrUE7is8mijklAkzyAIgVsV5lrkvwde0k0eZmpcV
+lDlg2qgjpFljFPlblX8ThQ=
-----END CERTIFICATE-----
`

export const privateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1Bnv/VCaG/QFXcVV
NPOtsZflKMM67igaWh755jwTEcmhRANCAATPDwWNUxw6VtNazCY6bLkesJ54YvZI
3xhwXtewwNHw3VLAJX1GG9jPXFZ+JgZ9aPtXov+IshfomFhRhbNtl2Ic
-----END PRIVATE KEY-----
`
