import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { temporaryFolder, type Scope } from './daemon.ts'
import { pathOf } from './programs.ts'

/** A certificate and its key: paths of PEM files. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** Certificates of the test's own authority, valid for two days. */
export interface Certificates {
  /** The path of the authority's own certificate. */
  readonly ca: string
  /** The certificate of a server without a name, for the address 127.0.0.1. */
  readonly server: Certificate
  /** The certificate of the user `app`. */
  readonly client: Certificate
}

export async function makeCertificates(t: Scope): Promise<Certificates> {
  const folder = await temporaryFolder(t, 'certificates')
  const make = async (name: string, subject: string, ...args: string[]): Promise<Certificate> => {
    const made = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) }
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    const files = ['-subj', `/CN=${subject}`, '-keyout', made.key, '-out', made.cert]
    await promisify(execFile)(pathOf('openssl'), ['req', '-x509', ...key, ...files, ...args])
    return made
  }
  const ca = await make('ca', 'authority')
  const signed = ['-CA', ca.cert, '-CAkey', ca.key]
  return {
    ca: ca.cert,
    server: await make('server', 'database', ...signed, '-addext', 'subjectAltName=IP:127.0.0.1'),
    client: await make('client', 'app', ...signed),
  }
}

/** The options of a Postgres with these certificates: it accepts `app` only over TLS, with `method` of pg_hba.conf. */
export async function overTls({ ca, server }: Certificates, method: 'scram-sha-256' | 'cert') {
  return {
    settings: [
      'ssl = on',
      "ssl_ca_file = 'ca.crt'",
      "ssl_cert_file = 'server.crt'",
      "ssl_key_file = 'server.key'",
    ],
    access: [`hostssl all app 127.0.0.1/32 ${method}`],
    files: {
      'ca.crt': await readFile(ca, 'utf8'),
      'server.crt': await readFile(server.cert, 'utf8'),
      'server.key': await readFile(server.key, 'utf8'),
    },
  }
}
