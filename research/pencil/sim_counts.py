"""Number of singular values beyond x: simulated networks (powers of q taken out: two largest) and predicted, n=900 headline."""
import sys, time, numpy as np
import rmt_spikes as rs
from pencil.model import model_of
from pencil.samples import draw, sample_spectrum, first_batch
scale=int(sys.argv[1]); trials=int(sys.argv[2]); draws=int(sys.argv[3]); extra=eval(sys.argv[4]) if len(sys.argv)>4 else {}
s=dict(n=scale,d=scale//2,width=2*scale//3,activation='relu',target={'hermite':[0,1,.70710678]},noise_std=.5,step_exponent=.5,ridge=.01); s.update(extra)
old=float(rs.predict(rs.Setting(**s)).bulk.edges[-1][-1]) if np.ndim(rs.predict(rs.Setting(**s)).bulk.edges)>1 else float(rs.predict(rs.Setting(**s)).bulk.edges[-1])
m=model_of(s,12); rng=np.random.default_rng(5); xs=[1.05*old, float(sys.argv[5]) if len(sys.argv)>5 else 2.31]
sp=2 if s.get('readout','gaussian')=='gaussian' else 2 if s.get('readout')=='rademacher' else 1
print('old edge',old,'x',xs)
E=[];C=[]
for i in range(draws):
    t=time.time(); q=sample_spectrum(m,draw(m,rng)); E.append(q.edge); C.append([q.expected_above(x) for x in xs])
print('predicted', np.mean(C,0), '+-', np.std(C,0)/draws**.5, 'edge', np.mean(E), f'{time.time()-t:.1f}s each')
S=[];PAIR=[]
f=m.activation.function
for i in range(trials):
    X=rng.normal(size=(m.n,m.d)); u=X[:,0]; r=m.target(u[None])+m.noise_std*rng.normal(size=m.n)
    w0=rng.normal(size=(m.width,m.d)); w0/=np.linalg.norm(w0,axis=1)[:,None]
    al=rng.normal(size=m.width) if s.get('readout','gaussian')=='gaussian' else rng.choice([-1.,1.],m.width) if s['readout']=='rademacher' else np.ones(m.width)
    res=r-al@f(w0@X.T)/m.width
    w=w0+m.theta*((al[:,None]*f.derivative(w0@X.T))*res)@X/m.n
    F=f(rng.normal(size=(m.n_ridge,m.d))@w.T)/m.n_ridge**.5
    ev=np.sqrt(np.linalg.eigvalsh(F.T@F)[::-1][:40]); S.append([np.sum(ev[sp:]>x) for x in xs]); PAIR.append(ev[sp:sp+5])
print('simulated', np.mean(S,0), '+-', np.std(S,0)/trials**.5, 'ordered', np.round(np.mean(PAIR,0),3), np.round(np.std(PAIR,0)/trials**.5,3))
