"""Spikes, alignments, edge and bulk quantiles against the reference simulations. Argument 2: number of readout nodes."""
import sys, time, numpy as np
from compare import cases
from pencil.model import model_of
from pencil.solution import Solution
from pencil.outliers import UpperSpectrum
from pencil.samples import sample_spectrum, levels_spectrum, typical_batch
from pencil.density import quantiles
na=int(sys.argv[2]) if len(sys.argv)>2 else 16
for name,c in cases().items():
    if sys.argv[1] not in name: continue
    try:
        t=time.time(); mo=model_of(c['setting'],na)
        sp=(sample_spectrum(mo,typical_batch(mo),given=False) if mo.isotropic else levels_spectrum(mo,typical_batch(mo))) if mo.theta else None
        s=sp.solution if sp else Solution(mo)
        f=s.finite_rank; top=float(np.sum(f.functions[0]**2@s.equations.q_weights*np.tile(s.equations.a_weights,f.functions.shape[1]//s.model.law.nodes.size)))+3
        u=UpperSpectrum(f,top)
        if sp: u.__dict__['points']=sp.points
        m=c['mean_se']; sv=np.array(m['singular_values'])
        p=u.poles; t1=time.time()-t
        print(f'{name}: edge {u.edge:.4f} samples', np.round(sp.places,3) if sp else '', ' sim', np.round(sv[0][len(p):len(p)+5],3), f'{t1:.2f}s')
        for i,x in enumerate(p):
            al=u.alignments(x); print(f'   spike {x.singular_value:.4f} sim {sv[0][i]:.4f}({sv[1][i]:.4f}) {(x.singular_value/sv[0][i]-1)*100:+.2f}%({sv[1][i]/sv[0][i]*100:.2f}) align', np.round(al,3), 'sim', np.round(m['alignment'][0][i],3) if i<3 else '')
        if '-q' in sys.argv:
            t=time.time(); sh=np.array([.05,.1,.25,.5,.75,.9,.95]); mo=s.model
            q=quantiles(s.equations,s.pencil.start(),u.edge,sh,min(mo.width,mo.n_ridge)/mo.n_ridge)
            o=np.array(m['quantiles']); print('   quantiles %', np.round((q/o[0]-1)*100,2), 'se %', np.round(o[1]/o[0]*100,2), f'mass {quantiles.mass:.4f} {time.time()-t:.1f}s',flush=True)
    except Exception as e: print(name, type(e).__name__, e)
