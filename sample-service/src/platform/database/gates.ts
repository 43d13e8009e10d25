import { Admission, type AdmissionObserver } from './admission.ts'
import { observeAdmission } from '../telemetry/database-metrics.ts'

/** What calls pass on their way to a connection. */
export type Gates = ReturnType<typeof openGates>

/** @param max how many connections the pool has; below three, transactions may have them all */
export function openGates(max: number) {
  const observer = observeAdmission()
  // A call passes up to two gates, and the metrics must count it once.
  const before: AdmissionObserver = {
    ...observer,
    admitted: (waitedMs) => {
      if (waitedMs > 0) observer.admitted(waitedMs)
    },
  }
  return {
    /** Every call passes this one, last. */
    pool: new Admission(max, observer),
    /**
     * A transaction lasts as long as what its body waits for, which may be another service. Transactions and streams together
     * leave a fifth of the pool, at least one connection, to db.run. Without it, a body that calls db.run would wait for the
     * connection that it holds itself.
     */
    transactions: new Admission(max < 3 ? max : Math.floor((max * 4) / 5), before),
    /** A stream may last for minutes: half of the pool stays for calls that do not. */
    streams: new Admission(Math.ceil(max / 2), before),
  }
}
