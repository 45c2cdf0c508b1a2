import sys, time, zlib; sys.path.insert(0,"experiments/verdicts")
from collections import Counter
import numpy as np
import surfaces; surfaces.NOISES["0.7"]=0.7; surfaces.NOISES["0.2"]=0.2
from surfaces import draw, said, KINDS, TRUE
from vae_granularity.analysis.points import Surface
from vae_granularity.analysis.trajectory import make_trajectory
from vae_granularity.analysis.verdict import judge
from vae_granularity.analysis.deciding.measured import Measured
from vae_granularity.analysis.deciding.questions import Trajectory
from vae_granularity.analysis.deciding.step import step
class V: pass
def decide(full, budget, corrected=True, q=Trajectory()):
    n,m,S=full.values.shape
    asked=np.zeros((n,m),int); looks=[]
    while True:
        vals=np.where(np.arange(S)<asked[...,None], full.values, np.nan)
        me=Measured(Surface("x","y","value",full.x,full.y,full.seeds,vals),asked)
        st=step(q,me,looks,np.ones((n,m)),used=asked.sum(),budget=budget,corrected=corrected)
        if st.look: looks.append(st.look)
        if st.ended: return st, asked, looks
        asked=asked.copy()
        for a in st.additions: asked[a.row,a.column]+=a.seeds
def name(a):
    v=V(); v.shape=a.shape; v.sentence=a.sentence; return said(v)
N=int(sys.argv[1]); grids=sys.argv[2].split(","); noises=sys.argv[3].split(",")
for g in grids:
    n,m=map(int,g.split("x"))
    for noise in noises:
        for kind in KINDS:
            if g not in KINDS[kind]: continue
            t=time.process_time(); c={k:Counter() for k in ("full","seq","raw")}; runs={"seq":[],"raw":[]}; nl=[]
            rng=np.random.default_rng(1)
            for i in range(N):
                f=draw(kind,g,10,noise,rng)
                c["full"][said(judge(make_trajectory(f)))]+=1
                for way in ("seq","raw"):
                    st,asked,looks=decide(f, n*m*10//3, way=="seq")
                    c[way][name(st.answer)]+=1; runs[way].append(asked.sum())
                    if way=="seq": nl.append(len(looks))
            def tf(k):
                tr=sum(v for s,v in c[k].items() if s in TRUE[kind]); ne=c[k]["not enough runs"]
                return f"{tr/N:.0%}/{(N-tr-ne)/N:.1%}"
            print(g,noise,kind,"full",tf("full"),"seq",tf("seq"),"raw",tf("raw"),"runs",np.mean(runs["seq"]).round(),np.mean(runs["raw"]).round(),"of",n*m*10,"looks",np.mean(nl).round(1),dict(c["seq"]),f"{time.process_time()-t:.0f}s",flush=True)
