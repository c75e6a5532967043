import './language';
import { render } from 'preact';
import './styles/index.css';
import { App } from './App';
import { Analyses } from './analyses';
import { AppContext } from './context';
import { FiguresLoader } from './figures';
import { connect, openModel } from './host';
import { PersistentValues } from './persistent';
import { PlanLoader } from './planLoader';
import { Store } from './store';
import { ViewJobs } from './viewJobs';
import { api } from './vscodeApi';

const root = document.getElementById('root');
if (root) {
  const persistent = new PersistentValues(api);
  const store = new Store(persistent);
  const host = connect(store);
  const analyses = new Analyses((tensor, options) => host.call('analyse', { tensor }, options));
  const figures = new FiguresLoader(store, () => host.call('sensitivityFigures', {}));
  const plans = new PlanLoader(store, {
    plan: (params) => host.call('plan', params),
    solvePlan: (params) => host.call('solvePlan', params),
  });
  render(
    <AppContext.Provider value={{ store, persistent, host, analyses, figures, plans, jobs: new ViewJobs() }}>
      <App />
    </AppContext.Provider>,
    root,
  );
  void openModel(store, host); // never rejects: a failure is what the page shows
}
