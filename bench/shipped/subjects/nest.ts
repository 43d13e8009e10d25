import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readItems } from './items.ts'

// Nest on Express with nestjs-pino and prom-client's histogram. The decorators are called as functions, since Node 20 has none.
type Decorator = (target: object, key?: string, descriptor?: PropertyDescriptor) => void
interface App {
  use(middleware: (request: IncomingMessage, response: ServerResponse, next: () => void) => void): void
  useLogger(log: unknown): void
  get(type: unknown): unknown
  listen(port: number, host: string): Promise<unknown>
  getHttpServer(): { address(): AddressInfo | string | null }
}

const names = ['reflect-metadata', '@nestjs/common', '@nestjs/core', 'nestjs-pino', 'prom-client']
await import(String(names[0]))
const { Controller, Get, Module } = (await import(String(names[1]))) as {
  Controller: () => Decorator
  Get: (path: string) => Decorator
  Module: (options: object) => Decorator
}
const { NestFactory } = (await import(String(names[2]))) as {
  NestFactory: { create(module: unknown, options: object): Promise<App> }
}
const { Logger, LoggerModule } = (await import(String(names[3]))) as {
  Logger: unknown
  LoggerModule: { forRoot(options: object): unknown }
}
const { default: client } = (await import(String(names[4]))) as {
  default: {
    Histogram: new (options: object) => { startTimer(): (labels: object) => void }
    collectDefaultMetrics(): void
  }
}

const read = readItems()
class Items {
  hello(): object {
    return { hello: 'world' }
  }

  async items(): Promise<object> {
    return { items: await read() }
  }
}
class Root {
  readonly name = 'root'
}
Controller()(Items)
for (const key of ['hello', 'items'] as const) {
  Get(key)(Items.prototype, key, Object.getOwnPropertyDescriptor(Items.prototype, key))
}
Module({ imports: [LoggerModule.forRoot({ pinoHttp: { level: 'info' } })], controllers: [Items] })(Root)

client.collectDefaultMetrics()
const labelNames = ['method', 'path', 'status']
const duration = new client.Histogram({ name: 'http_request_duration_seconds', help: 'Time', labelNames })
const app = await NestFactory.create(Root, { bufferLogs: true })
app.use((request, response, next) => {
  const end = duration.startTimer()
  response.on('finish', () => end({ method: request.method, path: request.url, status: response.statusCode }))
  next()
})
app.useLogger(app.get(Logger))
await app.listen(0, '127.0.0.1')
console.log((app.getHttpServer().address() as AddressInfo).port)
